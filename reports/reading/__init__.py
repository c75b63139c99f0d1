"""What an output folder holds, checked and named."""

"""From what the user asked for to the cells of a plan, their widths and their time."""

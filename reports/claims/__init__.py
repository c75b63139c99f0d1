"""The claims of the papers, the evidence for each, and the rule that judges it."""

"""One file per figure: `tabulate(runs)` gives its numbers, `draw(table)` draws them."""

"""Generated logs whose true click probabilities are known.

A world is a family of logs; a draw is one of them. docs/worlds.md says what all draws have in
common, how it was chosen, and how draws differ; `acceptance` measures it.
"""

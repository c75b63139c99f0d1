"""Training steps of other CTR packages beside ours, on the same rows.

`python -m benchmark.speed.peers` prints the table. A pass over some rows is made in three windows,
each on one thread and in CPU time.

- As documented: the peer's own training loop, as its guide runs it, over batches made beforehand.
  It has the peer's optimiser, regularisers, clipping, metrics and gradients of whole tables. Ours
  is the step of the trainer, row-wise Adam included.
- With its loader: the same, and the peer's own loader makes the batches; ours gathers them.
- Own compute: look-up, forward pass, log-loss, backward pass and one fused Adam step of the dense
  parameters. Tables have gradients of the rows in the batch alone, and no optimiser moves them. No
  regulariser, clipping, metric or schedule runs. It is the same on both sides.

`inside` runs in the environment of the peers, all else in ours. The peers are run as installed.
"""

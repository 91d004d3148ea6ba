"""The gateway beside its peers: one interleaved run, ratios that hold on a noisy machine. `python -m benchmarks.peers`.

`cases` is what is sent and what must come back, `upstream` the scripted provider behind everybody, `contenders` who is
measured and how it is started, `processes` the CPU and memory of a tree of processes, `load` the two load generators,
`measure` the plan of the run, `summary` medians, ratios and the guard, `plots` the pictures of the README.
"""

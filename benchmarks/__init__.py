"""What the receiver costs and how fast it answers, measured beside its peers in one run: `make bench`.

Everything runs in temporary homes on free ports of 127.0.0.1 and is gone afterwards. Figures of one run may be compared
with each other; those of different runs, or of different machines, only by their ratios.
"""

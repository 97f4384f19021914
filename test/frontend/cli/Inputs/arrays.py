"""Writes the arrays that the tests of the commands need into a folder."""
import sys
import numpy as np

folder = sys.argv[1]
np.save(folder + "/x.npy", np.arange(6, dtype=np.float32).reshape(2, 3))
np.save(folder + "/x64.npy", np.arange(6, dtype=np.float64).reshape(2, 3))
np.save(folder + "/b.npy", np.ones(3, dtype=np.float32))
np.save(folder + "/long.npy", np.ones(4, dtype=np.float32))

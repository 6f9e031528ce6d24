"""The matrix layout, for layers of many weights: each training step a band of blocks, as people draw matrices."""

"""The mathematics as cells: expressions, programs of named cells, and the one backward walk."""

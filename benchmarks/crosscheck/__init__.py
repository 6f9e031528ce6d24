"""Every template recalculated by every calculator that can be had, and all their cells compared."""

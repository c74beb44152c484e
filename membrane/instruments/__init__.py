"""What an instrument sees of a vesicle: kernels from true outer diameters to what is reported, and the way back."""

"""What an endosome has to spend: membrane and volume, and the tension that follows from them."""

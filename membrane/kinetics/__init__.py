"""The endosome as a sphere with a list of domains: minutes and hours of supply, growth, meetings and budding."""

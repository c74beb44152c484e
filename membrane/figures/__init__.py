"""Pictures, movies and surfaces of what archives hold."""

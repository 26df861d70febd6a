"""The embedded masked diffusion model: 7 million weights that turn notes into JSON."""

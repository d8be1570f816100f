"""CiDeR, the single-stage detect-to-retrieve head of Song et al. 2024."""

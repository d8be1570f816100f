"""The audit: does a training list, of whoever's making, show places of an evaluation set?"""

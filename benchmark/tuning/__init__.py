"""Searches for hyper-parameters under equal budgets."""

def export() -> int:
    """x"""
    return 0

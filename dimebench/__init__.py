"""dimebench: an honest referee for maximum-entropy continuous control."""

__version__ = "0.1.0"

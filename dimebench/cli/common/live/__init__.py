"""What `run` shows while it trains: a board of cells on a terminal, plain lines elsewhere; then what to type next."""

from dimebench.cli.common.live.boards import Board, board

__all__ = ["Board", "board"]

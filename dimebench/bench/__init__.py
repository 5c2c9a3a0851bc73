"""`dimebench bench`: throughput of this machine, compared with its floors."""

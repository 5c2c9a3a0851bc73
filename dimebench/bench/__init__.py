"""`dimebench bench`: throughput of this machine beside its floors."""

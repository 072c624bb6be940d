"""labgen: rehearse and verify BGP between Calico and a BIG-IP."""

__version__ = "0.1.0"

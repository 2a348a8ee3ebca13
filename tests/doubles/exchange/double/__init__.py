"""A protocol double of an Exchange organisation: no Exchange, but it talks as one does.

Nothing of popgate is in here. The PowerShell remoting engine is psrpcore, an independent one, and the double is proven
with pypsrp, a client nobody here wrote, before popgate's own client is held against it.
"""

"""The formats of the Xet protocol: hashes, chunks, xorbs, shards and recipes.

Pure byte work: nothing here opens a file, a socket or a database. Raw hashes are 32 ``bytes`` everywhere;
their text form is made and read only in ``hashing``.
"""

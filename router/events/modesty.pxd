# What `modesty.py` is to C, where it is compiled: bytes, and loops that it can take many of at a time.

cimport cython


@cython.locals(marks="const unsigned char*", size=Py_ssize_t, at=Py_ssize_t, large="unsigned char",
               opened="unsigned int", lower=int, e=int, brace=int, minus=int, zero=int, ten=int)
cpdef bint is_modest(bytes text, Py_ssize_t most)

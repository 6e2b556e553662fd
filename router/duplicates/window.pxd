# What `window.py` is to C, where it is compiled: numbers of the machine, and arrays without objects.
#
# Nothing here may change what it does. A hash and a place fit into 64 bits, a slot's number into 32: a window
# of more than 4 billion events would not. Indexes are checked, as Python checks them.

cimport cython


cdef class _Table:
    cdef Py_ssize_t mask
    cdef unsigned int[::1] slots
    cdef long long[::1] keys

    cdef find(self, long long key)
    cdef put(self, Py_ssize_t place)
    cdef remove(self, Py_ssize_t place)
    @cython.locals(slot=Py_ssize_t, taken=Py_ssize_t, mask=Py_ssize_t,
                   slots="unsigned int[::1]", keys="long long[::1]")
    cdef Py_ssize_t _slot(self, long long key)
    @cython.locals(slot=Py_ssize_t, taken=Py_ssize_t, mask=Py_ssize_t,
                   slots="unsigned int[::1]", keys="long long[::1]")
    cdef close(self, Py_ssize_t hole)


cdef class Window:
    cdef readonly Py_ssize_t most, cut_short
    cdef double _seconds
    cdef Py_ssize_t _size, _first, _count
    cdef unsigned long long[::1] _sequences
    cdef double[::1] _times
    cdef _Table _names, _wholes

    @cython.locals(slot=Py_ssize_t, taken=Py_ssize_t, mask=Py_ssize_t, name="long long",
                   slots="unsigned int[::1]", keys="long long[::1]")
    cpdef has_none_of(self, fingerprints)
    @cython.locals(slot=Py_ssize_t, taken=Py_ssize_t, mask=Py_ssize_t, place=Py_ssize_t, size=Py_ssize_t,
                   name="long long", whole="long long", received=double, sequence="unsigned long long",
                   slots="unsigned int[::1]", keys="long long[::1]", rest="long long[::1]",
                   ring="unsigned long long[::1]", whens="double[::1]")
    cdef _enter(self, names, wholes, sequences, times)
    @cython.locals(place=Py_ssize_t, left=Py_ssize_t, size=Py_ssize_t, seconds=double, times="double[::1]")
    cdef _expire(self, double now)
    cdef _make_room(self, Py_ssize_t more)
    @cython.locals(slot=Py_ssize_t, taken=Py_ssize_t, mask=Py_ssize_t, place=Py_ssize_t,
                   slots="unsigned int[::1]", keys="long long[::1]")
    cdef _drop(self, Py_ssize_t count)

/* Python's objects as compiled parts see them: of its C interface what has been the same in every Python 3 and is promised to stay
 * (the stable ABI), declared here, so that neither Python's headers nor one object for each Python are needed. Everything is a
 * function of the interpreter that has loaded us (core.compiled.load_objects), and is called with its lock held.
 *
 * "new": the caller owns the reference and gives it back with Py_DecRef; "borrowed": it is its container's.
 */
#ifndef XENMETER_OBJECTS_H
#define XENMETER_OBJECTS_H

#include <stddef.h>
#include <stdint.h>

typedef struct object Object;

extern void Py_IncRef(Object *);
extern void Py_DecRef(Object *);                                    /* NULL is none */
extern int PyObject_IsInstance(Object *, Object *);
extern int PyObject_RichCompareBool(Object *, Object *, int);       /* is: equal at once */
extern Object *PyObject_GetAttr(Object *, Object *);                /* new */
extern Object *PyObject_GetItem(Object *, Object *);                /* new */
extern int PyObject_SetAttr(Object *, Object *, Object *);
extern Object *PyObject_CallFunctionObjArgs(Object *, ...);         /* new; the last one is NULL */
extern Object *PyObject_CallMethodObjArgs(Object *, Object *, ...); /* new; the same */
extern Object *PyTuple_New(ptrdiff_t);                              /* new */
extern ptrdiff_t PyTuple_Size(Object *);                            /* -1 and an exception: it is none */
extern Object *PyTuple_GetItem(Object *, ptrdiff_t);                /* borrowed */
extern int PyTuple_SetItem(Object *, ptrdiff_t, Object *);          /* takes the reference */
extern Object *PyTuple_GetSlice(Object *, ptrdiff_t, ptrdiff_t);    /* new */
extern Object *PyList_New(ptrdiff_t);                               /* new */
extern ptrdiff_t PyList_Size(Object *);                             /* -1 and an exception: it is none */
extern Object *PyList_GetItem(Object *, ptrdiff_t);                 /* borrowed */
extern int PyList_SetItem(Object *, ptrdiff_t, Object *);           /* takes the reference */
extern int PyList_Append(Object *, Object *);
extern Object *PyDict_New(void);                                    /* new */
extern int PyDict_SetItem(Object *, Object *, Object *);
extern Object *PyUnicode_InternFromString(const char *);            /* new */
extern Object *PyDict_GetItem(Object *, Object *);                  /* borrowed; NULL and no exception: it is not there */
extern ptrdiff_t PyDict_Size(Object *);
extern Object *PyLong_FromLongLong(long long);                      /* new */
extern long long PyLong_AsLongLongAndOverflow(Object *, int *);
extern Object *PyNumber_TrueDivide(Object *, Object *);             /* new */
extern double PyFloat_AsDouble(Object *);
extern Object *PyBytes_FromStringAndSize(const char *, ptrdiff_t);  /* new */
extern Object *PyType_GenericAlloc(Object *, ptrdiff_t);            /* new */
extern Object *PyErr_Occurred(void);                                /* borrowed */
extern void PyErr_Clear(void);
extern Object PyLong_Type;
extern Object _Py_NoneStruct, _Py_FalseStruct;

#define NONE (&_Py_NoneStruct)
#define FALSE (&_Py_FalseStruct)
#define EQUAL 2     /* Py_EQ */

/* An int of 64 bits with a sign; 0: it is none, or a larger one. No exception stays. */
static inline int int_of(Object *object, int64_t *value)
{
    int overflow = 0;

    if ( !object || PyObject_IsInstance(object, &PyLong_Type) != 1 )
        return 0;
    *value = PyLong_AsLongLongAndOverflow(object, &overflow);
    return !overflow;
}

/* Puts a reference of its own into a tuple that is being made. */
static inline void set_item(Object *tuple, ptrdiff_t place, Object *borrowed)
{
    Py_IncRef(borrowed);
    PyTuple_SetItem(tuple, place, borrowed);
}

/* Without memory for the number it is None, and the exception stays. */
static inline void set_int(Object *tuple, ptrdiff_t place, int64_t value)
{
    Object *made = PyLong_FromLongLong(value);

    if ( made )
        PyTuple_SetItem(tuple, place, made);
    else
        set_item(tuple, place, NONE);
}

static inline Object *ints(const int64_t *values, int64_t number)
{
    Object *tuple = PyTuple_New(number);

    for ( int64_t i = 0; tuple && i < number; i++ )
        set_int(tuple, i, values[i]);
    return tuple;
}

/* An attribute, borrowed from its object: it is good until that is given another. NULL where there is none; no exception stays. */
static inline Object *get(Object *object, Object *name)
{
    Object *value = object ? PyObject_GetAttr(object, name) : NULL;

    if ( !value )
        PyErr_Clear();
    Py_DecRef(value);
    return value;
}

static inline int is_equal(Object *one, Object *other)
{
    int equal = one && other ? PyObject_RichCompareBool(one, other, EQUAL) : 0;

    if ( equal < 0 )
        PyErr_Clear();
    return equal > 0;
}

#endif

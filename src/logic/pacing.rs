//! When the next request is due: a pure function of time and requests sent.

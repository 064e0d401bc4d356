//! Names made to break out of their statements.

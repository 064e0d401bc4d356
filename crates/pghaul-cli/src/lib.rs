//! The command line of pghaul.

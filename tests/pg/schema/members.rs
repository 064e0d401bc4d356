//! A role that is no superuser but a member of the owners, as on a managed server.

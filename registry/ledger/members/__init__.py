"""Members in the database: who a key belongs to, invitations and enrolments, keys, and questions about them."""

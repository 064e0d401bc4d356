-- Leaves nothing of the fill in the session.

discard temporary;
reset work_mem;
reset enable_mergejoin;
reset synchronous_commit;
reset mastodon.seed;
reset mastodon.statuses;

-- Every large object with its length and a digest of its content.
select l.oid, octet_length(c.content)::bigint as length, md5(c.content) as digest
from pg_largeobject_metadata l
cross join lateral (select lo_get(l.oid) as content offset 0) c

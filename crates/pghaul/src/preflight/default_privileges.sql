-- Default privileges on the target, which every object made there gets in addition. Columns: object, schema.
select quote_ident(pg_get_userbyid(defaclrole))
     , case when defaclnamespace = 0 then 'all schemas' else 'schema ' || defaclnamespace::regnamespace end
from pg_default_acl
order by 1, 2

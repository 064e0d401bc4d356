-- What this role lacks to write here. Columns: object, right.
select quote_ident(current_database()), 'CREATE on the database'
where not has_database_privilege(current_database(), 'create')

-- How the database sorts and classifies text, with a probe that tells orders of one name apart. Columns: none, encoding, provider, locale, ctype, probe, monetary locale.
select null
     , pg_encoding_to_char(encoding)
     , case datlocprovider when 'c' then 'libc' when 'i' then 'icu' else 'builtin' end -- from 15
     , 'libc' -- before 15
     , coalesce(datlocale, datcollate) -- from 17
     , coalesce(daticulocale, datcollate) -- from 15 before 17
     , datcollate -- before 15
     , datctype
     , concat('a' < 'B', '1-1' < '11', 'u-s' < '_us')
     , (select reset_val from pg_settings where name = 'lc_monetary')
from pg_database
where datname = current_database()

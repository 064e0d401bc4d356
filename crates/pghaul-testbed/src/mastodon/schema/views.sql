-- Views of both versions. `instances` is populated when it is made, the summaries are not: an
-- instance refreshes them by a job, and many never ran it.

create view user_ips as
select user_id, ip, max(used_at) as used_at
from (
    select id as user_id, sign_up_ip as ip, created_at as used_at
    from users
    where sign_up_ip is not null
    union all
    select user_id, ip, updated_at
    from session_activations
    union all
    select user_id, ip, created_at
    from login_activities
    where success
) as seen
group by user_id, ip;

create materialized view instances as
with counted as (
    select domain, count(*) as accounts_count
    from accounts
    where domain is not null
    group by domain
)
select domain, accounts_count
from counted
union
select domain_blocks.domain, coalesce(counted.accounts_count, 0)
from domain_blocks
left join counted on counted.domain = domain_blocks.domain
union
select domain_allows.domain, coalesce(counted.accounts_count, 0)
from domain_allows
left join counted on counted.domain = domain_allows.domain;

create unique index index_instances_on_domain on instances (domain);

create materialized view account_summaries as
select
    accounts.id as account_id,
    mode() within group (order by recent.language) as language,
    mode() within group (order by recent.sensitive) as sensitive
from accounts
cross join lateral (
    select statuses.language, statuses.sensitive
    from statuses
    where statuses.account_id = accounts.id
        and statuses.deleted_at is null
        and statuses.reblog_of_id is null
    order by statuses.id desc
    limit 20
) as recent
where accounts.discoverable
    and not accounts.locked
    and accounts.suspended_at is null
    and accounts.silenced_at is null
    and accounts.moved_to_account_id is null
group by accounts.id
with no data;

create unique index index_account_summaries_on_account_id on account_summaries (account_id);

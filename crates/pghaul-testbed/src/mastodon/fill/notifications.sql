-- What local people are told about, in order of time. The activity is polymorphic, without a
-- foreign key; the oldest rows have no type. Comes last: it reads what the others wrote.

create temporary table residence as
select pg_temp.account_id(i) as account_id
from generate_series(5, pg_temp.accounts(), 5) as i;

analyze residence;

insert into notifications (
    id, activity_id, activity_type, created_at, updated_at, account_id, from_account_id, type
)
select
    row_number() over (order by created_at, kind, activity_id, account_id), activity_id,
    (array['Mention', 'Favourite', 'Status', 'Follow', 'FollowRequest', 'Poll', 'Report', 'Account'])[kind],
    created_at, created_at, account_id, from_account_id,
    case when created_at > timestamp '2020-06-01' then
        (array['mention', 'favourite', 'reblog', 'follow', 'follow_request', 'poll', 'admin.report', 'admin.sign_up'])[kind]
    end
from (
    select 1 as kind, mentions.id as activity_id, mentions.created_at, mentions.account_id, statuses.account_id as from_account_id
    from mentions
    join residence using (account_id)
    join statuses on statuses.id = mentions.status_id
    where not mentions.silent
    union all
    select 2, favourites.id, favourites.created_at, statuses.account_id, favourites.account_id
    from favourites
    join statuses on statuses.id = favourites.status_id
    join residence on residence.account_id = statuses.account_id
    union all
    select 3, pg_temp.status_id(i), pg_temp.moment(pg_temp.status_ms(i)), pg_temp.account_id(target_author), pg_temp.account_id(author)
    from post
    where kind in (3, 8) and target_author % 5 = 0
    union all
    select 4, follows.id, follows.created_at, target_account_id, follows.account_id
    from follows
    join residence on residence.account_id = target_account_id
    union all
    select 5, follow_requests.id, follow_requests.created_at, target_account_id, follow_requests.account_id
    from follow_requests
    join residence on residence.account_id = target_account_id
    union all
    select 6, poll_votes.poll_id, polls.expires_at, poll_votes.account_id, polls.account_id
    from poll_votes
    join polls on polls.id = poll_votes.poll_id
    join residence on residence.account_id = poll_votes.account_id
    union all
    select 7, id, created_at, pg_temp.account_id(5), account_id
    from reports
    union all
    select 8, account_id, pg_temp.moment(pg_temp.account_ms(i)), pg_temp.account_id(5), account_id
    from (select i, pg_temp.account_id(i) as account_id from generate_series(10, pg_temp.accounts(), 5) as i) as signed_up
) as happened;

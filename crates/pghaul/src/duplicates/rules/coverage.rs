//! Mastodon's rules know every table with a unique index, and everything that refers to what is merged.

use super::{Others, Rules};
use crate::name::RelationName;

/// The columns of a unique index, and what becomes of rows that do not stay.
type Index = (&'static [&'static str], Others);

/// Tables whose duplicates Mastodon's own script looks for (3.0 to 4.7), with what is not merged:
/// the columns of the index, and what becomes of the others.
const SCRIPT: &[(&str, &[Index])] = &[
    (
        "users",
        &[
            (&["email"], Others::Ask),
            (&["confirmation_token"], Others::Clear),
            (&["remember_token"], Others::Clear),
            (&["reset_password_token"], Others::Clear),
        ],
    ),
    ("account_domain_blocks", &[]),
    ("account_identity_proofs", &[]),
    ("announcement_reactions", &[]),
    ("conversations", &[]),
    ("custom_emojis", &[]),
    ("custom_emoji_categories", &[]),
    ("domain_allows", &[]),
    ("domain_blocks", &[]),
    ("unavailable_domains", &[]),
    ("email_domain_blocks", &[]),
    ("media_attachments", &[(&["shortcode"], Others::Clear)]),
    ("preview_cards", &[]),
    ("statuses", &[]),
    ("accounts", &[]),
    ("tags", &[]),
    ("webauthn_credentials", &[(&["user_id", "nickname"], Others::Ask)]),
    ("webhooks", &[]),
    ("software_updates", &[]),
];

/// Tables with unique indexes of text that the script never looks at. Not here: `instances`, a
/// materialized view, whose rows nobody can change, and which `rebuild` computes again.
const NEVER_LOOKED_AT: &[&str] = &[
    "canonical_email_blocks",
    "invites",
    "markers",
    "oauth_access_grants",
    "oauth_access_tokens",
    "oauth_applications",
    "preview_card_providers",
    "session_activations",
    "settings",
    "site_uploads",
    "schema_migrations",
    "ar_internal_metadata",
    "account_aliases",
    "identities",
    "tag_trends",
    "quotes",
    "fasp_providers",
    "username_blocks",
    "rule_translations",
    "keypairs",
    "collections",
    "collection_items",
    "tagged_objects",
    "email_subscriptions",
    "software_deprecations",
];

/// Children with unique indexes of their own, which collide when their parents are merged.
const COLLIDING: &[&str] = &[
    "account_conversations",
    "account_stats",
    "accounts_tags",
    "blocks",
    "bookmarks",
    "conversation_mutes",
    "custom_filter_statuses",
    "favourites",
    "featured_tags",
    "follow_recommendation_mutes",
    "follow_requests",
    "follows",
    "mentions",
    "mutes",
    "notification_requests",
    "preview_card_trends",
    "preview_cards_statuses",
    "severed_relationships",
    "status_pins",
    "status_stats",
    "status_trends",
    "statuses_tags",
    "tag_follows",
];

#[test]
fn mastodons_rules_cover_every_unique_index() {
    let rules = Rules::mastodon().unwrap();
    let rule = |table: &str| {
        let found = rules.table(&RelationName::new("public", table));
        found.unwrap_or_else(|| panic!("there is no rule for {table}"))
    };
    for (table, indexes) in SCRIPT {
        let otherwise: Vec<(Vec<&str>, Others)> = rule(table)
            .indexes
            .iter()
            .map(|index| (index.columns.iter().map(String::as_str).collect(), index.others))
            .collect();
        let expected: Vec<(Vec<&str>, Others)> =
            indexes.iter().map(|(columns, others)| (columns.to_vec(), *others)).collect();
        assert_eq!(otherwise, expected, "{table}");
    }
    for table in NEVER_LOOKED_AT.iter().chain(COLLIDING) {
        rule(table);
    }
    assert_eq!(rule("accounts").ask.len(), 1);
}

/// What refers to statuses, conversations, accounts, tags, cards and emojis, with a foreign key or
/// without one.
#[test]
fn mastodons_rules_know_what_refers_to_what_is_merged() {
    let rules = Rules::mastodon().unwrap();
    for (to, from) in [
        (
            "statuses.id",
            "favourites mentions bookmarks status_pins polls media_attachments status_edits \
             status_stats statuses_tags preview_cards_statuses custom_filter_statuses \
             status_trends quotes tagged_objects quotes.quoted_status_id \
             notification_requests.last_status_id notifications.activity_id \
             account_conversations.last_status_id account_conversations.status_ids \
             conversations.parent_status_id reports.status_ids account_warnings.status_ids \
             announcements.status_ids admin_action_logs.target_id statuses.in_reply_to_id \
             statuses.reblog_of_id",
        ),
        (
            "conversations.id",
            "statuses.conversation_id conversation_mutes.conversation_id \
             account_conversations.conversation_id",
        ),
        (
            "accounts.id",
            "statuses.in_reply_to_account_id reports.target_account_id report_notes.account_id \
             account_warnings.target_account_id accounts.moved_to_account_id \
             account_migrations.target_account_id status_edits.account_id \
             preview_cards.author_account_id preview_cards.unverified_author_account_id \
             account_conversations.participant_account_ids admin_action_logs.target_id \
             conversations.parent_account_id settings.thing_id status_trends.account_id \
             quotes.account_id quotes.quoted_account_id accounts_tags.account_id \
             keypairs.account_id collections.account_id collection_items.account_id \
             fasp_follow_recommendations.requesting_account_id \
             account_moderation_notes.account_id account_summaries.account_id \
             global_follow_recommendations.account_id \
             annual_report_statuses_per_account_counts.account_id",
        ),
        (
            "tags.id",
            "statuses_tags.tag_id accounts_tags.tag_id featured_tags.tag_id tag_follows.tag_id \
             tag_trends.tag_id collections.tag_id account_tag_stats.tag_id",
        ),
        (
            "preview_cards.id",
            "preview_cards_statuses.preview_card_id preview_card_trends.preview_card_id",
        ),
        (
            "custom_emojis.id",
            "announcement_reactions.custom_emoji_id custom_emoji_categories.featured_emoji_id",
        ),
        ("custom_emoji_categories.id", "custom_emojis.category_id"),
        ("email_domain_blocks.id", "email_domain_blocks.parent_id"),
        ("polls.id", "poll_votes.poll_id statuses.poll_id notifications.activity_id"),
        (
            "media_attachments.id",
            "statuses.ordered_media_attachment_ids status_edits.ordered_media_attachment_ids",
        ),
    ] {
        let known: Vec<&str> = rules
            .references
            .iter()
            .filter(|reference| reference.to == to)
            .flat_map(|reference| reference.from.iter().map(String::as_str))
            .collect();
        for column in from.split_whitespace() {
            let column = match column.contains('.') {
                true => column.to_owned(),
                false => format!("{column}.status_id"),
            };
            assert!(known.contains(&column.as_str()), "{column} refers to {to}");
        }
    }
}

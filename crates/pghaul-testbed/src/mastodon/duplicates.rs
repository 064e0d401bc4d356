//! The damage that Mastodon's admins know, with everything that hangs on it: ready to be planted,
//! and to be changed before.

use crate::damage::{Children, Damage, Recipe};

/// Conversations of the same URI. Each copy has statuses of its own (no foreign key says so),
/// mutes and direct messages of its own, and some that its original has too and that collide
/// once merged.
pub fn duplicate_conversations(recipe: Recipe) -> Damage {
    Damage::new("index_conversations_on_uri", recipe)
        .set("updated_at", "src.updated_at + picked.copy * interval '1 day'")
        .children(Children::like_others("statuses", "conversation_id").at_most(2))
        .children(Children::in_common("conversation_mutes", "conversation_id"))
        .children(Children::like_others("conversation_mutes", "conversation_id"))
        .children(Children::in_common("account_conversations", "conversation_id"))
        .children(Children::like_others("account_conversations", "conversation_id"))
}

/// Statuses of the same URI, with everything that can refer to a status: some collides with what
/// the original has, some does not, some may be there once only, and copies have replies and
/// reblogs.
pub fn duplicate_statuses(recipe: Recipe) -> Damage {
    let mut damage = Damage::new("index_statuses_on_uri", recipe)
        .set("updated_at", "src.updated_at + picked.copy * interval '1 day'");
    for table in ["favourites", "mentions", "bookmarks", "statuses_tags"] {
        damage = damage
            .children(Children::in_common(table, "status_id"))
            .children(Children::like_others(table, "status_id"));
    }
    for table in ["media_attachments", "status_edits", "polls", "preview_cards_statuses"] {
        damage = damage.children(Children::like_others(table, "status_id"));
    }
    damage
        .children(Children::in_common("status_stats", "status_id"))
        .children(Children::like_others("statuses", "in_reply_to_id"))
        .children(Children::like_others("statuses", "reblog_of_id"))
        .children(
            Children::like_others("notifications", "activity_id")
                .only("src.activity_type = 'Status'"),
        )
}

/// Remote accounts of the same name and domain, each with statuses, followers and favourites of
/// its own. Every second copy has another key than its original.
pub fn duplicate_accounts(recipe: Recipe) -> Damage {
    Damage::new("index_accounts_on_username_and_domain_lower", recipe)
        .only("src.domain is not null")
        .set("updated_at", "src.updated_at + picked.copy * interval '1 day'")
        .set(
            "public_key",
            "case when picked.n % 2 = 0 then md5(src.public_key) else src.public_key end",
        )
        .children(Children::like_others("statuses", "account_id"))
        .children(Children::in_common("favourites", "account_id"))
        .children(Children::like_others("favourites", "account_id"))
        .children(Children::in_common("follows", "account_id"))
        .children(Children::like_others("follows", "account_id"))
        .children(Children::in_common("follows", "target_account_id"))
        .children(Children::in_common("account_stats", "account_id"))
        .children(Children::like_others("notifications", "from_account_id"))
}

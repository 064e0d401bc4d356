//! Only some tables: what they need comes along, what needs others stays behind and is named.

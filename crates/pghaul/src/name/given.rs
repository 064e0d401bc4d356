//! Names of relations as people give them, on a command line say.
//!
//! Invariant: a text that means nothing, or more than one thing without being a glob, is an error of
//! usage that says so.

use globset::Glob;

use super::RelationName;
use crate::error::{Error, ErrorKind};

/// The relations that a text means, of these `names`, which are all of one kind (`what`). It means
/// one of them where it is its name as it is shown or as SQL has it, with or without its schema;
/// else it is a glob over `schema.name`.
pub(crate) fn given<'a>(
    text: &str,
    what: &str,
    names: impl Iterator<Item = &'a RelationName>,
) -> Result<Vec<&'a RelationName>, Error> {
    let names: Vec<&RelationName> = names.collect();
    let meant: Vec<&RelationName> =
        names.iter().filter(|name| means(text, name)).copied().collect();
    match meant.as_slice() {
        [_] => return Ok(meant),
        [] => {}
        several => {
            let several: Vec<String> = several.iter().map(|name| format!("`{name}`")).collect();
            return Err(Error::new(
                ErrorKind::Usage,
                format!("`{text}` means more than one {what}: {}", several.join(", ")),
            )
            .with_hint("name the schema too, in double quotes where the case of letters matters"));
        }
    }
    let glob = Glob::new(text).ok().map(|glob| glob.compile_matcher());
    let fits =
        |name: &&RelationName| glob.as_ref().is_some_and(|glob| glob.is_match(name.to_string()));
    let matched: Vec<&RelationName> = names.into_iter().filter(fits).collect();
    if matched.is_empty() {
        return Err(Error::new(ErrorKind::Usage, format!("there is no {what} `{text}`"))
            .with_hint(
                "names are those of the catalog, with or without schema and quotes: `posts`, \
             `public.posts`, `\"My posts\"`; or globs over schema.name: `public.post*`",
            ));
    }
    Ok(matched)
}

/// Whether a text means an object: as it is shown, or as SQL would have it.
fn means(text: &str, name: &RelationName) -> bool {
    if text == name.to_string() || text == name.name.as_str() {
        return true;
    }
    let fits = |(part, is_quoted): &(String, bool), name: &str| {
        part == name || !is_quoted && part.to_lowercase() == name
    };
    match parts(text).as_deref() {
        Some([table]) => fits(table, name.name.as_str()),
        Some([schema, table]) => {
            fits(schema, name.schema.as_str()) && fits(table, name.name.as_str())
        }
        _ => false,
    }
}

/// The parts of a name between dots, and whether each stood in quotes.
fn parts(text: &str) -> Option<Vec<(String, bool)>> {
    let mut parts = Vec::new();
    let mut rest = text;
    loop {
        let (part, after) = if let Some(inner) = rest.strip_prefix('"') {
            let mut part = String::new();
            let mut inner = inner;
            loop {
                let (before, after) = inner.split_once('"')?;
                part.push_str(before);
                match after.strip_prefix('"') {
                    Some(more) => {
                        part.push('"');
                        inner = more;
                    }
                    None => break ((part, true), after),
                }
            }
        } else {
            let end = rest.find('.').unwrap_or(rest.len());
            ((rest[..end].to_owned(), false), &rest[end..])
        };
        parts.push(part);
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None if after.is_empty() => return Some(parts),
            None => return None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_as_people_write_them() {
        let plain = RelationName::new("public", "posts");
        let odd = RelationName::new("My \"s\"", "a.b");
        for text in
            ["posts", "POSTS", "public.posts", "\"posts\"", "\"public\".posts", "Public.Posts"]
        {
            assert!(means(text, &plain), "{text}");
        }
        for text in ["\"POSTS\"", "public", "posts.", "x.posts", "\"posts", "\"posts\"x", ""] {
            assert!(!means(text, &plain), "{text}");
        }
        for text in ["My \"s\".a.b", "a.b", "\"a.b\"", "\"My \"\"s\"\"\".\"a.b\""] {
            assert!(means(text, &odd), "{text}");
        }
        assert!(!means("b", &odd) && !means("A.b", &odd));
    }

    #[test]
    fn one_name_means_one_thing() {
        let names = [RelationName::new("a", "x"), RelationName::new("b", "x")];
        let meant = |text: &str| given(text, "index", names.iter());
        assert_eq!(meant("a.x").unwrap(), [&names[0]]);
        assert_eq!(meant("*.x").unwrap().len(), 2);
        let several = meant("x").unwrap_err();
        assert_eq!(several.kind(), ErrorKind::Usage);
        assert!(several.to_string().contains("`a.x`, `b.x`"), "{several}");
        assert_eq!(meant("y").unwrap_err().kind(), ErrorKind::Usage);
        assert_eq!(meant("[").unwrap_err().kind(), ErrorKind::Usage);
    }
}

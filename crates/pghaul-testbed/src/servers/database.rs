//! A database for each test, a role for each test.

use tokio_postgres::Config;

use super::Server;
use super::session::{self, Rows, Session};
use crate::error::Result;
use crate::work::Answer;

/// How a database is to be created. What is not set is the server's default; with an encoding
/// or a locale but no template, the template is `template0`, as Postgres demands.
#[derive(Debug, Clone, Default)]
pub struct CreateOptions {
    /// Such as `LATIN1`.
    pub encoding: Option<String>,
    /// LC_COLLATE and LC_CTYPE, such as `de_DE.UTF-8`.
    pub locale: Option<String>,
    /// The database to copy.
    pub template: Option<String>,
    /// The role that owns it.
    pub owner: Option<String>,
    /// Appended to CREATE DATABASE as it is, such as `locale_provider icu icu_locale 'de'`.
    pub more: Option<String>,
}

impl CreateOptions {
    fn clauses(&self) -> String {
        let mut clauses = String::new();
        let set = |clauses: &mut String, name: &str, value: &Option<String>, quote: Quote| {
            if let Some(value) = value {
                clauses.push_str(&format!(" {name} = {}", quote(value)));
            }
        };
        let needs_bare_template = self.encoding.is_some() || self.locale.is_some();
        let template =
            self.template.clone().or_else(|| needs_bare_template.then(|| "template0".to_owned()));
        set(&mut clauses, "encoding", &self.encoding, quote_literal);
        set(&mut clauses, "lc_collate", &self.locale, quote_literal);
        set(&mut clauses, "lc_ctype", &self.locale, quote_literal);
        set(&mut clauses, "template", &template, quote_identifier);
        set(&mut clauses, "owner", &self.owner, quote_identifier);
        if let Some(more) = &self.more {
            clauses.push(' ');
            clauses.push_str(more);
        }
        clauses
    }
}

type Quote = fn(&str) -> String;

/// `"name"`, as Postgres' `quote_ident` would if it always quoted.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `'text'`, for servers with `standard_conforming_strings = on`, the default.
pub fn quote_literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// A database of its own on a server. Dropped with its sessions when this value is, unless a
/// test has just failed; then it stays as long as the server does.
pub struct Database<'server> {
    server: &'server Server,
    name: String,
    keep: bool,
}

impl<'server> Database<'server> {
    /// Creates one whose name is `hint` and a number.
    pub fn create(server: &'server Server, hint: &str, options: &CreateOptions) -> Result<Self> {
        let name = server.unique_name(hint);
        let sql = format!("create database {}{}", quote_identifier(&name), options.clauses());
        server.execute(sql).wait()?;
        Ok(Self { server, name, keep: false })
    }

    /// Creates one as the server's defaults have it.
    pub fn new(server: &'server Server, hint: &str) -> Result<Self> {
        Self::create(server, hint, &CreateOptions::default())
    }

    /// Its name, not quoted.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its server.
    pub fn server(&self) -> &'server Server {
        self.server
    }

    /// The URL of the superuser, over TCP.
    pub fn url(&self) -> String {
        self.server.url(&self.name)
    }

    /// The URL of a role, over TCP.
    pub fn url_as(&self, role: &Role) -> String {
        self.server.url_as(&self.name, &role.name, &role.password)
    }

    /// A held connection of the superuser.
    pub fn connect(&self) -> Answer<Session> {
        Session::connect(self.config())
    }

    /// A held connection of a role, over TCP.
    pub fn connect_as(&self, role: &Role) -> Answer<Session> {
        let mut config = Config::new();
        config
            .host("127.0.0.1")
            .port(self.server.port())
            .user(&role.name)
            .password(&role.password)
            .dbname(&self.name);
        Session::connect(config)
    }

    /// Runs statements on a connection of their own, as the superuser.
    pub fn execute(&self, sql: impl Into<String>) -> Answer<()> {
        session::execute_once(self.config(), sql.into())
    }

    /// Runs statements on a connection of their own and gives all their rows.
    pub fn query_text(&self, sql: impl Into<String>) -> Answer<Rows> {
        session::query_once(self.config(), sql.into())
    }

    /// The one value of a query on a connection of its own.
    pub fn value(&self, sql: impl Into<String>) -> Answer<Option<String>> {
        session::value_once(self.config(), sql.into())
    }

    /// Waits until the server has ended the sessions here whose `application_name` matches this
    /// regular expression ([`Server::until_left`]).
    pub fn until_left(&self, application: &str) -> Answer<()> {
        self.server.until_left(&self.name, application)
    }

    /// Leaves the database there as long as its server is.
    pub fn keep(mut self) -> String {
        self.keep = true;
        self.name.clone()
    }

    fn config(&self) -> Config {
        self.server.config(&self.name)
    }
}

impl Drop for Database<'_> {
    fn drop(&mut self) {
        if self.keep || std::thread::panicking() {
            return;
        }
        let end_sessions = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = {}",
            quote_literal(&self.name)
        );
        let drop = format!("drop database if exists {}", quote_identifier(&self.name));
        let config = self.server.config("postgres");
        crate::work::begin(async move {
            let session = Session::connect(config).await?;
            session.query_text(end_sessions).await?;
            session.execute(drop).await
        })
        .forget();
    }
}

/// A role that can log in, made for one test.
#[derive(Debug, Clone)]
pub struct Role {
    /// Not quoted.
    pub name: String,
    /// As it is, not escaped for anything.
    pub password: String,
}

impl Role {
    /// Creates one whose name is `hint` and a number, with `attributes` such as `createdb
    /// replication` or `in role pg_monitor`.
    pub fn create(server: &Server, hint: &str, attributes: &str) -> Result<Self> {
        let name = server.unique_name(hint);
        let password = format!("{name}'s s3cret:@/%");
        server
            .execute(format!(
                "create role {} login password {} {attributes}",
                quote_identifier(&name),
                quote_literal(&password)
            ))
            .wait()?;
        Ok(Self { name, password })
    }
}

#[cfg(test)]
mod tests {
    use super::CreateOptions;

    #[test]
    fn a_locale_takes_the_bare_template() {
        let options = CreateOptions {
            locale: Some("de_DE.UTF-8".to_owned()),
            owner: Some("o\"p".to_owned()),
            ..CreateOptions::default()
        };
        assert_eq!(
            options.clauses(),
            " lc_collate = 'de_DE.UTF-8' lc_ctype = 'de_DE.UTF-8' template = \"template0\" \
             owner = \"o\"\"p\""
        );
        assert_eq!(CreateOptions::default().clauses(), "");
    }
}

//! All parameters of a connection that libpq knows (version 17 and those that version 18 adds), with the treatment of each.

use crate::settings::ConfigError;

/// A parameter of `DB_URL`.
pub struct Parameter {
    /// Its name.
    pub name: &'static str,
    /// The variable that gives its value if `DB_URL` does not.
    pub variable: Option<&'static str>,
    /// Its value if none is given; empty if there is none.
    pub default: &'static str,
    /// Its effect here, in the words of the documentation.
    pub meaning: &'static str,
    pub(super) treatment: Treatment,
}

/// A variable of libpq that sets no parameter.
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// Its effect here.
    pub meaning: &'static str,
}

/// The value of a parameter.
pub(super) struct Given {
    pub(super) value: String,
    /// Its place, as in `DB_URL: sslmode` or `PGSSLMODE`.
    pub(super) origin: String,
}

impl Given {
    /// An error about it. The text names the parameter or the variable, never the value.
    pub(super) fn mistake(&self, text: &str) -> ConfigError {
        ConfigError::new(format!("{}: {text}", self.origin))
    }
}

/// The treatment of a parameter's value.
pub(super) enum Treatment {
    /// It is honoured; [`super::Database`] checks it.
    Honoured,
    /// It is one of these, and honoured.
    Choice(&'static [&'static str]),
    /// The same, in capital letters or not.
    ChoiceInAnyCase(&'static [&'static str]),
    /// It is refused, but for values that ask for nothing.
    Refused {
        unless: &'static [&'static str],
        instead: &'static str,
    },
    /// It can have no effect here.
    WithoutEffect,
}

impl Treatment {
    /// Refuses values that can't be honoured.
    pub(super) fn check(&self, given: &Given) -> Result<(), ConfigError> {
        if given.value.contains('\0') {
            return Err(given.mistake("it has a zero byte"));
        }
        let is_like = |value: &&str| value.eq_ignore_ascii_case(&given.value);
        let expected = |values: &[&str]| {
            let values: Vec<&str> = values.iter().copied().filter(|value| !value.is_empty()).collect();
            Err(given.mistake(&format!("expected one of {}", values.join(", "))))
        };
        match self {
            Self::Choice(values) if !values.contains(&given.value.as_str()) => expected(values),
            Self::ChoiceInAnyCase(values) if !values.iter().any(is_like) => expected(values),
            Self::Refused { unless, instead } if !unless.iter().any(is_like) => {
                Err(given.mistake(&format!("it is not supported; {instead}")))
            }
            _ => Ok(()),
        }
    }
}

const fn parameter(
    name: &'static str,
    variable: Option<&'static str>,
    default: &'static str,
    treatment: Treatment,
    meaning: &'static str,
) -> Parameter {
    Parameter {
        name,
        variable,
        default,
        meaning,
        treatment,
    }
}

const fn refused(instead: &'static str) -> Treatment {
    Treatment::Refused { unless: &[""], instead }
}

const OFF: &[&str] = &["", "0", "false", "off", "no"];
const SWITCH: Treatment = Treatment::Choice(&["0", "1"]);
const VERSIONS: Treatment = Treatment::ChoiceInAnyCase(&["", "TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]);
const NO_OAUTH: Treatment =
    refused("OAuth is not among the generator's ways in; use a password or a client certificate");
const NO_SCRAM_KEYS: Treatment = refused("give the password itself");
const NO_PROTOCOL_CHOICE: Treatment = Treatment::Refused {
    unless: &["", "3.0"],
    instead: "the generator speaks version 3.0 of the protocol; leave it out",
};

/// The parameters, in the order of the documentation.
#[rustfmt::skip]
pub const PARAMETERS: &[Parameter] = &[
    parameter("host", Some("PGHOST"), "/var/run/postgresql", Treatment::Honoured,
        "names, addresses, or folders of Unix sockets (beginning with `/`), with commas between: tried in this order"),
    parameter("hostaddr", Some("PGHOSTADDR"), "", Treatment::Honoured,
        "addresses to connect to, one for each `host`, whose name is then for certificates and the password file only"),
    parameter("port", Some("PGPORT"), "5432", Treatment::Honoured, "one for all hosts, or one for each"),
    parameter("dbname", Some("PGDATABASE"), "the user's name", Treatment::Honoured, "the database"),
    parameter("user", Some("PGUSER"), "the operating system's user", Treatment::Honoured, "who connects"),
    parameter("password", Some("PGPASSWORD"), "", Treatment::Honoured, "the password; better in the password file"),
    parameter("passfile", Some("PGPASSFILE"), "~/.pgpass", Treatment::Honoured,
        "file of passwords, read for each run if no password is given"),
    parameter("connect_timeout", Some("PGCONNECT_TIMEOUT"), "10 s to connect, 90 s in all", Treatment::Honoured,
        "seconds for each host and address, from the first packet to the answer to the password; 1 counts as 2, 0 and less as no limit but the 90 s in all. \
         Without it a host has 20 s as long as there is another one"),
    parameter("target_session_attrs", Some("PGTARGETSESSIONATTRS"), "any",
        Treatment::Choice(&["any", "read-write", "read-only", "primary", "standby", "prefer-standby"]),
        "which of the hosts will do: `any`, `read-write`, `read-only`, `primary`, `standby`, or `prefer-standby`"),
    parameter("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), "disable", Treatment::Choice(&["disable", "random"]),
        "`random`: the hosts, and the addresses of each, in any order"),
    parameter("application_name", Some("PGAPPNAME"), "", Treatment::Honoured, "the name in `pg_stat_activity`"),
    parameter("fallback_application_name", None, "generate-mirrorlist-cache", Treatment::Honoured,
        "the same if `application_name` is not given"),
    parameter("options", Some("PGOPTIONS"), "", Treatment::Honoured,
        "settings of the session, as in `-c search_path=mirrormanager`"),
    parameter("client_encoding", Some("PGCLIENTENCODING"), "UTF8",
        Treatment::Refused { unless: &["", "auto", "utf8", "utf-8", "unicode"], instead: "the generator chooses the encoding itself; leave it out" },
        "chosen by the generator: only `UTF8` and `auto` are taken"),
    parameter("keepalives", None, "1", Treatment::Honoured, "0: the operating system does not ask a silent connection whether it is still there"),
    parameter("keepalives_idle", None, "30", Treatment::Honoured, "seconds of silence before it asks; 0: two hours"),
    parameter("keepalives_interval", None, "10", Treatment::Honoured, "seconds until it asks again; 0: as the system has it"),
    parameter("keepalives_count", None, "3", Treatment::Honoured, "how often it asks before the connection is dead; 0: as the system has it"),
    parameter("tcp_user_timeout", None, "60000", Treatment::Honoured,
        "milliseconds after which sent data that is not acknowledged means a dead connection; 0: as the system has it"),
    parameter("sslmode", Some("PGSSLMODE"), "prefer",
        Treatment::Choice(&["disable", "allow", "prefer", "require", "verify-ca", "verify-full"]), "see above"),
    parameter("sslnegotiation", Some("PGSSLNEGOTIATION"), "postgres", Treatment::Choice(&["postgres", "direct"]),
        "`direct`: TLS from the first byte (PostgreSQL 17), with `sslmode` `require` or stronger"),
    parameter("sslrootcert", Some("PGSSLROOTCERT"), "~/.postgresql/root.crt", Treatment::Honoured,
        "file of the certificates that sign the server's; `system`: the system's roots, with `sslmode=verify-full` only, which is then the default"),
    parameter("sslcrl", Some("PGSSLCRL"), "~/.postgresql/root.crl", Treatment::Honoured,
        "file of certificate revocation lists; each authority in the chain has to have one"),
    parameter("sslcrldir", Some("PGSSLCRLDIR"), "", Treatment::Honoured, "folder of such files, all of which are read"),
    parameter("sslcert", Some("PGSSLCERT"), "~/.postgresql/postgresql.crt", Treatment::Honoured,
        "file of the client's certificate (PEM), with those between it and the root"),
    parameter("sslkey", Some("PGSSLKEY"), "~/.postgresql/postgresql.key", Treatment::Honoured,
        "its key (PEM, not encrypted): mode 0600 or less, or 0640 or less if root owns it"),
    parameter("sslcertmode", Some("PGSSLCERTMODE"), "allow",
        Treatment::Refused { unless: &["allow", "disable"], instead: "use allow or disable, and ask for the certificate in the server's pg_hba.conf" },
        "`allow`: send the certificate if the server asks for one; `disable`: never. `require` is refused"),
    parameter("sslpassword", None, "",
        refused("keep the key of sslkey unencrypted (openssl pkey), readable by the generator's user only"),
        "refused: encrypted keys are not supported"),
    parameter("sslsni", Some("PGSSLSNI"), "1", SWITCH, "0: the server's name is not sent in clear text at the begin of TLS"),
    parameter("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), "TLSv1.2", VERSIONS,
        "`TLSv1.2` or `TLSv1.3`; nothing older is spoken whatever is allowed"),
    parameter("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), "TLSv1.3", VERSIONS,
        "`TLSv1.2` or `TLSv1.3`"),
    parameter("sslcompression", Some("PGSSLCOMPRESSION"), "0", SWITCH, "no effect: TLS is not compressed, as with today's OpenSSL"),
    parameter("sslkeylogfile", None, "",
        refused("the secrets of TLS are not written anywhere"), "refused"),
    parameter("channel_binding", Some("PGCHANNELBINDING"), "prefer", Treatment::Choice(&["disable", "prefer", "require"]),
        "`require`: only servers that prove with SCRAM over TLS that they know the password"),
    parameter("require_auth", Some("PGREQUIREAUTH"), "",
        refused("use channel_binding=require or sslmode=verify-full, so that no other server gets the password"),
        "refused"),
    parameter("gssencmode", Some("PGGSSENCMODE"), "disable",
        Treatment::Refused { unless: &["disable", "prefer"], instead: "GSSAPI is not available; encrypt with sslmode=verify-full" },
        "`disable` and `prefer` come to the same, since GSSAPI is not available; `require` is refused"),
    parameter("krbsrvname", Some("PGKRBSRVNAME"), "postgres", Treatment::WithoutEffect, "no effect: GSSAPI is not available"),
    parameter("gsslib", Some("PGGSSLIB"), "", Treatment::WithoutEffect, "no effect: GSSAPI is not available"),
    parameter("gssdelegation", Some("PGGSSDELEGATION"), "0", Treatment::WithoutEffect, "no effect: GSSAPI is not available"),
    parameter("requirepeer", Some("PGREQUIREPEER"), "",
        refused("use a folder for the Unix socket in which only the server's user may write"), "refused"),
    parameter("service", Some("PGSERVICE"), "",
        refused("put the service's parameters into DB_URL"), "refused: service files are not read"),
    parameter("servicefile", None, "",
        refused("put the service's parameters into DB_URL"), "refused: service files are not read"),
    parameter("replication", None, "false",
        Treatment::Refused { unless: OFF, instead: "the generator reads tables, which a connection for replication can't; leave it out" }, "only `false`"),
    parameter("min_protocol_version", Some("PGMINPROTOCOLVERSION"), "3.0", NO_PROTOCOL_CHOICE, "only `3.0`"),
    parameter("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), "3.0",
        Treatment::Choice(&["", "3.0", "3.2", "latest"]), "`3.0` is spoken, whatever newer one is allowed"),
    parameter("scram_client_key", None, "", NO_SCRAM_KEYS, "refused"),
    parameter("scram_server_key", None, "", NO_SCRAM_KEYS, "refused"),
    parameter("oauth_issuer", None, "", NO_OAUTH, "refused"),
    parameter("oauth_client_id", None, "", NO_OAUTH, "refused"),
    parameter("oauth_client_secret", None, "", NO_OAUTH, "refused"),
    parameter("oauth_scope", None, "", NO_OAUTH, "refused"),
];

/// Variables that set no parameter.
#[rustfmt::skip]
pub const VARIABLES: &[Variable] = &[
    Variable { name: "PGREQUIRESSL", meaning: "1: as `PGSSLMODE=require`, where neither that nor `sslmode` is set" },
    Variable { name: "PGSERVICEFILE", meaning: "no effect without a service, which is refused" },
    Variable { name: "PGSYSCONFDIR", meaning: "no effect without a service, which is refused" },
    Variable { name: "PGLOCALEDIR", meaning: "no effect: the generator's messages are English" },
    Variable { name: "PGDATESTYLE", meaning: "no effect: dates and times are read in binary" },
    Variable { name: "PGTZ", meaning: "no effect: times are read in binary, as UTC" },
    Variable { name: "PGGEQO", meaning: "no effect: all queries are of a few tables" },
];

/// Parameters of other libraries that have another name here.
const RENAMED: &[(&str, &str)] = &[
    ("keepalives_retries", "keepalives_count"),
    ("database", "dbname"),
    ("username", "user"),
    ("hostname", "host"),
    ("ssl", "sslmode"),
    ("tls", "sslmode"),
    ("sslca", "sslrootcert"),
    ("charset", "client_encoding"),
    ("encoding", "client_encoding"),
    ("connectTimeout", "connect_timeout"),
    ("ApplicationName", "application_name"),
];

/// The parameter of this name.
pub(super) fn find(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.iter().find(|parameter| parameter.name == name)
}

/// The name of the parameter that is meant by one that does not exist: of another library, or without capital letters,
/// hyphens and underscores the same.
pub(super) fn meant_by(name: &str) -> Option<&'static str> {
    let plain = |name: &str| name.to_ascii_lowercase().replace(['-', '_'], "");
    let renamed = RENAMED.iter().find(|(other, _)| *other == name).map(|(_, own)| *own);
    let mut names = PARAMETERS.iter().map(|parameter| parameter.name);
    renamed.or_else(|| names.find(|own| plain(own) == plain(name)))
}

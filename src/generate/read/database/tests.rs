//! Parameters of `DB_URL` and of variables that are taken and refused, and passwords that are never shown.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use proptest::prelude::*;
use tokio_postgres::config::SslMode;

use super::*;

const HOME: (&str, &str) = ("HOME", "/home/mm");

fn database(text: &str) -> Database {
    Database::parse(text, &Environment::from([HOME])).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str, variables: [(&str, &str); 1]) -> String {
    match Database::parse(text, &Environment::from(variables)) {
        Ok(_) => panic!("{text} is accepted"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn a_database_says_where_it_is_and_not_its_password() {
    for (text, at) in [
        ("postgresql://mm:s%40cret@h.example:5433/mm", "h.example:5433"),
        ("postgres://mm@%2Frun%2Fp/mm", "/run/p (port 5432)"),
        ("user=mm", "/var/run/postgresql (port 5432)"),
        (
            "host=a,/run/p,::1 user=mm port=1,,3",
            "a:1, /run/p (port 5432), [::1]:3",
        ),
        ("hostaddr=::1,10.0.0.1 user=mm port=5", "[::1]:5, 10.0.0.1:5"),
        ("postgresql://mm@a:1,b:2/mm", "a:1, b:2"),
        ("host=a,b hostaddr=,10.0.0.1 user=mm", "a:5432, b:5432"),
    ] {
        assert_eq!(
            database(text).to_string(),
            format!("database \"mm\" at {at} as \"mm\""),
            "{text}"
        );
    }
    let said = refusal("host=a,/run/p,[::1] user=mm port=1,2,3", [HOME]);
    assert!(said.starts_with("DB_URL: host: "), "{said}");
    assert_eq!(database("host=h").user, whoami::username().unwrap());
}

#[test]
fn variables_count_below_the_url() {
    let environment = Environment::from([
        HOME,
        ("PGHOST", "other"),
        ("PGPORT", "5433"),
        ("PGUSER", "someone"),
        ("PGPASSWORD", "hunter2"),
        ("PGDATABASE", "name"),
        ("PGSSLMODE", "verify-full"),
        ("PGSSLROOTCERT", "/ca.pem"),
        ("PGOPTIONS", "-c search_path=x"),
        ("PGAPPNAME", "app"),
        ("PGREQUIRESSL", "1"),
    ]);
    let alone = Database::parse("", &environment).unwrap();
    assert_eq!(alone.to_string(), "database \"name\" at other:5433 as \"someone\"");
    assert_eq!(alone.password.as_deref(), Some("hunter2"));
    assert_eq!(alone.tls.mode, TlsMode::VerifyFull);
    assert!(matches!(&alone.tls.roots, Roots::File(file) if file.asked_for && file.path == *"/ca.pem"));
    assert_eq!(alone.driver.get_options(), Some("-c search_path=x"));
    assert_eq!(alone.driver.get_application_name(), Some("app"));
    let mixed = Database::parse("postgresql://mm@host/?sslmode=disable", &environment).unwrap();
    assert_eq!(mixed.to_string(), "database \"name\" at host:5433 as \"mm\"");
    assert_eq!(mixed.tls.mode, TlsMode::Disable);
    let older = Environment::from([HOME, ("PGREQUIRESSL", "1")]);
    assert_eq!(Database::parse("host=h", &older).unwrap().tls.mode, TlsMode::Require);
    let nothing = Database::parse("", &older).map(|_| ()).unwrap_err().to_string();
    assert!(nothing.contains("DB_URL: it is empty"), "{nothing}");
}

#[test]
fn what_cannot_be_honoured_is_refused_by_its_name() {
    for (parameter, value) in [
        ("sslmode", "maybe"),
        ("sslmode", ""),
        ("channel_binding", "yes"),
        ("target_session_attrs", "master"),
        ("load_balance_hosts", "1"),
        ("client_encoding", "LATIN1"),
        ("sslcertmode", "require"),
        ("sslnegotiation", "direct"),
        ("ssl_min_protocol_version", "SSLv3"),
        ("ssl_max_protocol_version", "TLSv1.1"),
        ("sslsni", "yes"),
        ("gssencmode", "require"),
        ("requirepeer", "postgres"),
        ("require_auth", "scram-sha-256"),
        ("service", "mm"),
        ("port", "0"),
        ("port", "70000"),
        ("port", "1,2"),
        ("hostaddr", "name"),
        ("hostaddr", "10.0.0.1,10.0.0.2"),
        ("host", "a b"),
        ("host", "@abstract"),
        ("connect_timeout", "soon"),
        ("connect_timeout", ""),
    ] {
        let host = if parameter == "host" { "" } else { "host=h" };
        let text = format!("{host} user=mm {parameter}='{value}'");
        let said = refusal(&text, [HOME]);
        assert!(said.starts_with(&format!("DB_URL: {parameter}: ")), "{text}: {said}");
        let variable = parameters::find(parameter).unwrap().variable.unwrap();
        let said = refusal(&format!("{host} user=mm"), [(variable, value)]);
        assert!(said.starts_with(&format!("{variable}: ")), "{variable}={value}: {said}");
    }
    for (text, said) in [
        ("host=h replication=database", "replication: it is not supported"),
        ("host=h sslpassword=x", "sslpassword: it is not supported"),
        ("host=h servicefile=/x", "servicefile: it is not supported"),
        ("host=h oauth_issuer=x", "oauth_issuer: it is not supported"),
        ("host=h keepalives_idle=x", "keepalives_idle: expected a whole number"),
        ("host=h tcp_user_timeout=1s", "tcp_user_timeout: expected"),
        (
            "host=h sslrootcert=system sslmode=require",
            "sslmode: sslrootcert=system needs verify-full",
        ),
        ("hostaddr=::1 sslmode=verify-full", "needs host"),
        ("dbname=postgresql://mm:hunter2@h/d", "dbname is a name"),
        (
            "host=h ssl_min_protocol_version=TLSv1.3 ssl_max_protocol_version=TLSv1.2",
            "ssl_max_protocol_version: ",
        ),
    ] {
        let error = refusal(text, [HOME]);
        assert!(error.starts_with("DB_URL: ") && error.contains(said), "{text}: {error}");
    }
    // libpq takes these.
    for text in [
        "host=h replication=false gssencmode=prefer client_encoding=auto sslcompression=1 krbsrvname=x sslcertmode=disable",
        "host=h sslrootcert=system",
        "host=h sslmode=require sslnegotiation=direct ssl_min_protocol_version=TLSv1 max_protocol_version=latest",
    ] {
        database(text);
    }
}

#[test]
fn numbers_mean_what_they_mean_in_libpq() {
    let usual = database("host=h");
    assert_eq!(usual.connect_timeout, ConnectTimeout::Usual);
    assert_eq!(usual.driver.get_tcp_user_timeout(), Some(&Duration::from_secs(60)));
    assert_eq!(usual.driver.get_keepalives_retries(), Some(3));
    for (value, limit) in [
        ("0", ConnectTimeout::Never),
        ("-1", ConnectTimeout::Never),
        ("1", ConnectTimeout::After(Duration::from_secs(2))),
        ("' 30 '", ConnectTimeout::After(Duration::from_secs(30))),
    ] {
        let given = database(&format!("host=h connect_timeout={value}"));
        assert_eq!(given.connect_timeout, limit, "{value}");
    }
    let set = database(
        "host=h keepalives_idle=5 keepalives_interval=6 keepalives_count=7 tcp_user_timeout=1500 fallback_application_name=f",
    );
    assert_eq!(set.driver.get_keepalives_idle(), Duration::from_secs(5));
    assert_eq!(set.driver.get_keepalives_interval(), Some(Duration::from_secs(6)));
    assert_eq!(set.driver.get_keepalives_retries(), Some(7));
    assert_eq!(set.driver.get_tcp_user_timeout(), Some(&Duration::from_millis(1500)));
    assert_eq!(set.driver.get_application_name(), Some("f"));
    assert_eq!(set.driver.get_ssl_mode(), SslMode::Prefer);
    let none = database("host=h keepalives=0 keepalives_idle=-1 keepalives_count=0 tcp_user_timeout=0");
    assert!(!none.driver.get_keepalives() && none.driver.get_tcp_user_timeout().is_none());
    assert_eq!(none.driver.get_keepalives_idle(), SYSTEM_KEEPALIVES_IDLE);
    assert_eq!(none.driver.get_keepalives_retries(), None);
}

#[test]
fn tls_is_as_libpq_has_it() {
    let tls = |text: &str| database(text).tls;
    let usual = tls("host=h");
    assert_eq!((usual.mode, usual.versions), (TlsMode::Prefer, 2..=3));
    assert!(
        matches!(usual.roots, Roots::File(file) if !file.asked_for && file.path == *"/home/mm/.postgresql/root.crt")
    );
    assert_eq!(usual.certificate.unwrap().path, *"/home/mm/.postgresql/postgresql.crt");
    assert_eq!(tls("host=h sslrootcert=system").mode, TlsMode::VerifyFull);
    assert!(tls("host=h sslcertmode=disable").certificate.is_none());
    assert_eq!(tls("host=h ssl_min_protocol_version=TLSv1.3").versions, 3..=3);
    assert_eq!(tls("host=h ssl_max_protocol_version=tlsv1.2").versions, 2..=2);
}

/// All that can be seen of a text, whether it is good or not.
fn all_that_is_said(text: &str, variables: &Environment) -> String {
    match Database::parse(text, variables) {
        Ok(database) => format!("{database} {database:?}"),
        Err(error) => format!("{error} {error:?}"),
    }
}

#[test]
fn no_error_and_no_debug_output_holds_the_password() {
    for text in [
        "postgresql://mm:hunter2@host/db",
        "postgresql://mm:hun@ter2@host/db",
        "postgresql://mm:x/hunter2@host/db",
        "postgresql://mm:5/hunter2@host/db",
        "postgresql://mm:5?hunter2=1@host/db",
        "postgresql://mm:x@y?hunter2=1@host/db",
        "postgresql://mm:hunter2@host/db?sslmode=maybe",
        "postgresql://mm:hunter2@host:port/db",
        "postgresql://mm:hunter2@host/db?hunter2=1",
        "postgresql://mm:a?hunter2@host/db",
        "postgresql://mm:%hunter2@host/db",
        "postgresql://host:hunter2/db",
        "postgresql://host?password=hunter2@x",
        "postgresql://host/db?password=hunter2&x",
        "mysql://mm:hunter2@host/db",
        "mm:hunter2@host/db?sslmode=require",
        "host=h user=mm password=hunter2",
        "host=h user=mm password=a hunter2",
        "host=h user=mm password=a hunter2=3",
        "host=h user=mm password='it's hunter2'",
        "host=h user=mm password='hunter2",
        "host=h port=hunter2",
        "dbname=postgresql://mm:hunter2@host/db",
        "postgresql://:hunter2@/db",
        "postgresql://host/db&password=hunter2",
        "postgresql://mm&password=hunter2@host/db",
        "host=/h;password=hunter2 user=mm",
        "user=mm;password=hunter2 host=h",
        "host=h user=mm dbname=d,Password=hunter2",
        "hunter2",
    ] {
        let said = all_that_is_said(text, &Environment::from([HOME]));
        assert!(!said.contains("hunter2") && !said.contains("ter2"), "{text}: {said}");
    }
}

proptest! {
    #[test]
    fn no_random_password_is_ever_shown(
        password in "[!-~]{3}[0-9A-Z!-/]{5}[ -~]{0,12}",
        form in 0..12_usize,
        cut in 0..200_usize,
    ) {
        let encoded = utf8_percent_encode(&password, NON_ALPHANUMERIC).to_string();
        let quoted = password.replace('\\', "\\\\").replace('\'', "\\'");
        let whole = match form {
            0 => format!("postgresql://mm:{password}@host/db?sslmode=require"),
            1 => format!("postgresql://mm:{encoded}@host/db?sslmode=maybe"),
            2 => format!("postgresql://host/db?user=mm&password={password}"),
            3 => format!("postgresql://host/db?user=mm&password={encoded}&foo=1"),
            4 => format!("host=h user=mm password={password}"),
            5 => format!("host=h password={password} user=mm sslmode=1"),
            6 => format!("host=h user=mm password='{password}' foo=1"),
            7 => format!("host=h user=mm password='{quoted}' foo=1 port=x"),
            8 => format!("mm:{password}@host/db"),
            9 => format!("mysql://mm:{password}@host/db"),
            10 => format!("postgresql://mm:{password}"),
            _ => password.clone(),
        };
        let cut = whole.char_indices().map(|(index, _)| index).nth(cut).unwrap_or(whole.len());
        for text in [whole.as_str(), whole.split_at(cut).0] {
            let said = all_that_is_said(text, &Environment::from([HOME, ("PGPASSWORD", &password)]));
            prop_assert!(!said.contains(&password), "{}: {}", text, said);
        }
    }
}

//! Access tokens: signed claims that live a quarter of an hour. Customers and staff have keys and audiences of their own.

use chrono::TimeDelta;
use entity::Instant;
use entity::id::{ServerKeyId, SessionId};
use entity::session::Audience;
use jsonwebtoken::{Algorithm, Header, Validation, decode, decode_header, encode};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::keys::{Signing, Verifying};
use crate::error::Fault;

/// How long an access token lives.
const LIFE: TimeDelta = TimeDelta::minutes(15);
/// How far the clock of the instance that issued a token may be ahead.
const AHEAD_SECONDS: i64 = 60;
/// No token of ours is as long.
const LONGEST: usize = 2_048;
/// The `typ` of the header, as RFC 9068 has it.
const HEADER_TYPE: &str = "at+jwt";
/// The `typ` of the claims.
const CLAIM_TYPE: &str = "access";

/// Whose token, in which session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) audience: Audience,
    pub(crate) id: Uuid,
    pub(crate) session: SessionId,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: Uuid,
    iat: i64,
    exp: i64,
    jti: Uuid,
    sid: Uuid,
    typ: String,
}

fn audience_name(audience: Audience) -> &'static str {
    match audience {
        Audience::Customer => "regulars:customer",
        Audience::Staff => "regulars:staff",
    }
}

/// Signs a token that lives a quarter of an hour, or until `session_end`; answers when it ends too.
pub(crate) fn issue(
    signing: &Signing,
    issuer: &str,
    subject: Subject,
    now: Instant,
    session_end: Instant,
    jti: Uuid,
) -> Result<(String, Instant), Fault> {
    let end = (now + LIFE).min(session_end);
    let claims = Claims {
        iss: issuer.to_owned(),
        aud: audience_name(subject.audience).to_owned(),
        sub: subject.id,
        iat: now.timestamp(),
        exp: end.timestamp(),
        jti,
        sid: subject.session.0,
        typ: CLAIM_TYPE.to_owned(),
    };
    let header = Header {
        typ: Some(HEADER_TYPE.to_owned()),
        kid: Some(signing.id.0.to_string()),
        ..Header::new(Algorithm::EdDSA)
    };
    let end = Instant::from_timestamp(claims.exp, 0).unwrap_or(end);
    Ok((encode(&header, &claims, &signing.key)?, end))
}

/// The key that a token names, if it may be one of ours.
pub(crate) fn key_of(token: &str) -> Option<ServerKeyId> {
    if token.len() > LONGEST {
        return None;
    }
    let header = decode_header(token).ok()?;
    let ours =
        header.alg == Algorithm::EdDSA && header.typ.as_deref() == Some(HEADER_TYPE) && header.crit.is_none();
    let id = Uuid::try_parse(header.kid.as_deref()?).ok()?;
    ours.then_some(ServerKeyId(id))
}

/// Whose token this is, if the key signed it for its audience and it is in force at `now`.
pub(crate) fn verify(verifying: &Verifying, issuer: &str, now: Instant, token: &str) -> Option<Subject> {
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience_name(verifying.audience)]);
    validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
    // The library reads the machine's clock; ours may be another. Checked below.
    validation.validate_exp = false;
    validation.validate_nbf = false;
    let claims = decode::<Claims>(token, &verifying.key, &validation).ok()?.claims;
    let now = now.timestamp();
    let in_force = now < claims.exp && claims.iat <= now + AHEAD_SECONDS && claims.typ == CLAIM_TYPE;
    in_force.then_some(Subject {
        audience: verifying.audience,
        id: claims.sub,
        session: SessionId(claims.sid),
    })
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use jsonwebtoken::{DecodingKey, EncodingKey};

    use super::*;

    const ISSUER: &str = "https://shop.example";

    struct Pair {
        signing: Signing,
        verifying: Verifying,
    }

    fn pair(audience: Audience) -> Pair {
        let pair = Ed25519KeyPair::generate().unwrap();
        let key = EncodingKey::from_ed_der(pair.to_pkcs8().unwrap().as_ref());
        Pair {
            signing: Signing { id: ServerKeyId(Uuid::from_u128(9)), key },
            verifying: Verifying { audience, key: DecodingKey::from_ed_der(pair.public_key().as_ref()) },
        }
    }

    fn now() -> Instant {
        Instant::from_timestamp(1_800_000_000, 0).unwrap()
    }

    fn subject(audience: Audience) -> Subject {
        Subject { audience, id: Uuid::from_u128(1), session: SessionId(Uuid::from_u128(2)) }
    }

    fn claims() -> serde_json::Value {
        serde_json::json!({
            "iss": ISSUER, "aud": "regulars:customer", "sub": Uuid::from_u128(1), "iat": now().timestamp(),
            "exp": now().timestamp() + 900, "jti": Uuid::from_u128(3), "sid": Uuid::from_u128(2), "typ": "access",
        })
    }

    fn sign(pair: &Pair, claims: &serde_json::Value) -> String {
        let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::EdDSA) };
        encode(&header, claims, &pair.signing.key).unwrap()
    }

    #[test]
    fn a_token_is_good_for_a_quarter_of_an_hour() {
        let pair = pair(Audience::Customer);
        let subject = subject(Audience::Customer);
        let far = now() + TimeDelta::days(1);
        let (token, end) = issue(&pair.signing, ISSUER, subject, now(), far, Uuid::nil()).unwrap();
        assert_eq!(end, now() + TimeDelta::minutes(15));
        assert_eq!(key_of(&token), Some(pair.signing.id));
        let at = |seconds| verify(&pair.verifying, ISSUER, now() + TimeDelta::seconds(seconds), &token);
        assert_eq!(at(0), Some(subject));
        assert_eq!(at(899), Some(subject));
        assert_eq!(at(900), None);
        assert_eq!(at(-60), Some(subject));
        assert_eq!(at(-61), None);
    }

    #[test]
    fn a_token_does_not_outlive_its_session() {
        let pair = pair(Audience::Staff);
        let end = now() + TimeDelta::minutes(3);
        let issued = issue(&pair.signing, ISSUER, subject(Audience::Staff), now(), end, Uuid::nil()).unwrap();
        assert_eq!(issued.1, end);
    }

    #[test]
    fn a_key_speaks_for_its_own_audience_only() {
        let mut pair = pair(Audience::Customer);
        let staff = subject(Audience::Staff);
        let far = now() + TimeDelta::days(1);
        let (token, _) = issue(&pair.signing, ISSUER, staff, now(), far, Uuid::nil()).unwrap();
        assert_eq!(verify(&pair.verifying, ISSUER, now(), &token), None);
        pair.verifying.audience = Audience::Staff;
        assert_eq!(verify(&pair.verifying, ISSUER, now(), &token), Some(staff));
    }

    #[test]
    fn every_claim_is_required_and_of_its_kind() {
        let pair = pair(Audience::Customer);
        assert!(verify(&pair.verifying, ISSUER, now(), &sign(&pair, &claims())).is_some());
        for claim in ["iss", "aud", "sub", "iat", "exp", "jti", "sid", "typ"] {
            let mut less = claims();
            less.as_object_mut().unwrap().remove(claim);
            assert_eq!(verify(&pair.verifying, ISSUER, now(), &sign(&pair, &less)), None, "{claim}");
            let mut other = claims();
            other[claim] = serde_json::json!(["x"]);
            assert_eq!(verify(&pair.verifying, ISSUER, now(), &sign(&pair, &other)), None, "{claim}");
        }
    }

    #[test]
    fn another_issuer_key_or_algorithm_is_refused() {
        let pair_one = pair(Audience::Customer);
        let token = sign(&pair_one, &claims());
        assert_eq!(verify(&pair_one.verifying, "https://other.example", now(), &token), None);
        assert_eq!(verify(&pair(Audience::Customer).verifying, ISSUER, now(), &token), None);
        let header = Header { typ: Some("at+jwt".to_owned()), ..Header::new(Algorithm::HS256) };
        let secret = EncodingKey::from_secret(pair_one.verifying.key.try_get_as_bytes().unwrap());
        let confused = encode(&header, &claims(), &secret).unwrap();
        assert_eq!(key_of(&confused), None);
        assert_eq!(verify(&pair_one.verifying, ISSUER, now(), &confused), None);
    }

    #[test]
    fn an_unsigned_token_names_no_key() {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD;
        let kid = Uuid::from_u128(9);
        for alg in ["none", "None", "NONE"] {
            let header = format!(r#"{{"alg":"{alg}","typ":"at+jwt","kid":"{kid}"}}"#);
            let token = format!(
                "{}.{}.",
                URL_SAFE_NO_PAD.encode(header),
                URL_SAFE_NO_PAD.encode(claims().to_string())
            );
            assert_eq!(key_of(&token), None, "{alg}");
        }
        assert_eq!(key_of("rubbish"), None);
    }
}

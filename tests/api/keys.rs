//! The keys behind access tokens: published for whoever verifies them, replaced without signing anybody out, and the only
//! ones that a token is taken for.

use std::time::{Duration, Instant};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair};
use chrono::TimeDelta;
use entity::server_key::{Column, Entity, KeyPurpose};
use entity::session::Audience;
use entity::staff::Role;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, decode_header, encode};
use regulars::auth::rotation::{self, Rotate, Rotated};
use reqwest::Method;
use sea_orm::{ColumnTrait, EntityTrait, ExprTrait, QueryFilter};
use serde_json::{Value as Json, json};

use crate::support::{Answer, Caller, Serving, TestApp, both_engines};

const ME: &str = "{ me { id } }";
const VERSION: &str = "{ shopSettings { version } }";
const BOTH: [Audience; 2] = [Audience::Customer, Audience::Staff];

async fn jwks(serving: &Serving) -> Answer {
    let request = serving.request(Method::GET, "/.well-known/jwks.json");
    let answer = Answer::of(request.send().await.unwrap()).await;
    assert_eq!(answer.status, 200);
    answer
}

fn kids(jwks: &Answer) -> Vec<String> {
    let set: JwkSet = serde_json::from_value(jwks.body.clone()).unwrap();
    set.keys.into_iter().map(|key| key.common.key_id.unwrap()).collect()
}

fn kid(caller: &Caller) -> String {
    decode_header(caller.token()).unwrap().kid.unwrap()
}

async fn rotate(shop: &TestApp, audiences: &[Audience], revoke: bool) -> Vec<Rotated> {
    let rotate = Rotate { audiences: audiences.to_vec(), revoke };
    rotation::rotate(&shop.app, &rotate).await.unwrap()
}

/// The next credentials of a session, from `serving`.
async fn renewed(serving: &Serving, caller: &Caller) -> Caller {
    let mutation = "mutation ($input: SessionRefreshInput!) {
        sessionRefresh(input: $input) { tokens { accessToken refreshToken } userErrors { code } }
    }";
    let input = json!({ "input": { "refreshToken": caller.refresh_token } });
    Caller::signed_in(&caller.email, &serving.post(&Caller::anonymous(), mutation, input).await)
}

/// Keys of customers that sign still.
async fn signing(shop: &TestApp) -> Vec<entity::server_key::Model> {
    let signs = Column::Purpose.eq(KeyPurpose::CustomerToken).and(Column::RetiredAt.is_null());
    Entity::find().filter(signs).all(&shop.app.db.read).await.unwrap()
}

/// Verifies a token with nothing but what is published, as another server would.
fn verified(published: &Json, caller: &Caller, audience: &str) -> Json {
    let set: JwkSet = serde_json::from_value(published.clone()).unwrap();
    let jwk = set.find(&kid(caller)).expect("the key of the token is not published");
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&[audience]);
    // The clock of the test stands still.
    validation.validate_exp = false;
    decode::<Json>(caller.token(), &DecodingKey::from_jwk(jwk).unwrap(), &validation).unwrap().claims
}

both_engines! {
    async fn published_keys_verify_the_tokens_of_customers_and_staff(shop: &TestApp) {
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let published = jwks(&shop.serving).await;
        assert_eq!(published.header("content-type"), "application/jwk-set+json");
        assert_eq!(published.header("cache-control"), "public, max-age=300");
        assert_eq!(published.header("x-content-type-options"), "nosniff");
        assert!(!published.header("x-request-id").is_empty());
        let keys = published.body["keys"].as_array().unwrap();
        assert_eq!(keys.len(), 2);
        for key in keys {
            let mut names: Vec<&str> = key.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, ["alg", "crv", "kid", "kty", "use", "x"], "no more than is public");
            assert_eq!((&key["alg"], &key["crv"], &key["kty"], &key["use"]),
                (&json!("EdDSA"), &json!("Ed25519"), &json!("OKP"), &json!("sig")));
        }
        assert_ne!(kid(&joan), kid(&sam));
        let claims = verified(&published.body, &joan, "regulars:customer");
        assert_eq!((&claims["aud"], &claims["typ"]), (&json!("regulars:customer"), &json!("access")));
        verified(&published.body, &sam, "regulars:staff");
        let wrong = shop.serving.request(Method::POST, "/.well-known/jwks.json").send().await.unwrap();
        Answer::of(wrong).await.assert_refused(405, "BAD_USER_INPUT");
    }

    async fn rotation_signs_nobody_out_and_reaches_every_instance_within_a_second(shop: &TestApp) {
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let neighbour = shop.neighbour().await;
        let rotated = rotate(shop, &BOTH, false).await;
        let done = Instant::now();
        let new: Vec<String> = rotated.iter().map(|rotated| rotated.key.0.to_string()).collect();
        assert_eq!(rotated.iter().map(|rotated| rotated.older).collect::<Vec<_>>(), [1, 1]);
        let mut there = Vec::new();
        while !new.iter().all(|key| there.contains(key)) {
            there = kids(&jwks(&neighbour.serving).await);
            assert!(done.elapsed() < Duration::from_secs(1), "not taken over within a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for serving in [&shop.serving, &neighbour.serving] {
            assert_eq!(kids(&jwks(serving).await).len(), 4);
            assert_eq!(serving.post(&joan, ME, json!({})).await.at("/me/id"), joan.customer_id());
            serving.post(&sam, VERSION, json!({})).await.data();
        }
        let (joan_new, sam_new) = (renewed(&neighbour.serving, &joan).await, renewed(&shop.serving, &sam).await);
        assert_eq!([kid(&joan_new), kid(&sam_new)].to_vec(), new);
        let published = jwks(&neighbour.serving).await.body;
        for caller in [&joan, &joan_new] {
            verified(&published, caller, "regulars:customer");
        }
        for serving in [&shop.serving, &neighbour.serving] {
            serving.post(&joan_new, ME, json!({})).await.data();
            serving.post(&sam_new, VERSION, json!({})).await.data();
        }
        neighbour.end().await;
    }

    async fn revoked_keys_end_access_tokens_and_leave_sessions(shop: &TestApp) {
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let neighbour = shop.neighbour().await;
        neighbour.graphql(&joan, ME, json!({})).await.data();
        rotate(shop, &[Audience::Customer], false).await;
        let rotated = rotate(shop, &[Audience::Customer], true).await;
        let done = Instant::now();
        assert_eq!(rotated.iter().map(|rotated| rotated.older).collect::<Vec<_>>(), [2]);
        shop.graphql(&joan, ME, json!({})).await.assert_rejected();
        while neighbour.graphql(&joan, ME, json!({})).await.status != 401 {
            assert!(done.elapsed() < Duration::from_secs(1), "taken still after a second");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for serving in [&shop.serving, &neighbour.serving] {
            serving.post(&sam, VERSION, json!({})).await.data();
            assert_eq!(kids(&jwks(serving).await).len(), 2);
        }
        let joan = renewed(&neighbour.serving, &joan).await;
        assert_eq!(kid(&joan), rotated[0].key.0.to_string());
        shop.graphql(&joan, ME, json!({})).await.data();
        neighbour.end().await;
    }

    async fn of_rotations_at_once_one_key_signs(shop: &TestApp) {
        let other = shop.neighbour().await;
        let rotate = Rotate { audiences: vec![Audience::Customer], revoke: false };
        let at_once = (0..6).map(|number| {
            rotation::rotate(if number % 2 == 0 { &shop.app } else { &other.app }, &rotate)
        });
        let rotated = futures_util::future::join_all(at_once).await;
        assert!(rotated.iter().all(|done| done.as_ref().is_ok_and(|done| done[0].older == 1)), "{rotated:?}");
        assert_eq!(signing(shop).await.len(), 1);
        other.end().await;
    }

    async fn an_open_code_is_good_after_rotation(shop: &TestApp) {
        let challenge = shop.register("anna@example.org", None).await;
        let code = shop.mailed_code("anna@example.org").await;
        rotate(shop, &BOTH, true).await;
        shop.prove(&challenge, &code).await.assert_done();
    }

    async fn retired_keys_are_forgotten_after_a_day(shop: &TestApp) {
        let before = kids(&jwks(&shop.serving).await);
        let new = rotate(shop, &[Audience::Staff], false).await[0].key.0.to_string();
        regulars::worker::arm_recurring(&shop.app).await.unwrap();
        shop.clock.advance(TimeDelta::hours(20));
        shop.run_jobs().await;
        assert_eq!(kids(&jwks(&shop.serving).await).len(), 3, "forgotten too early");
        shop.clock.advance(TimeDelta::hours(24));
        shop.run_jobs().await;
        let neighbour = shop.neighbour().await;
        let after = kids(&jwks(&neighbour.serving).await);
        assert_eq!((after.len(), after.contains(&new)), (2, true));
        assert_eq!(before.iter().filter(|kid| after.contains(kid)).count(), 1);
        neighbour.end().await;
    }

    async fn only_our_own_tokens_are_taken(shop: &TestApp) {
        let (joan, sam) = (shop.as_customer().await, shop.as_staff(Role::Owner).await);
        let ours = EncodingKey::from_ed_der(&signing(shop).await[0].material);
        let header = decode_header(joan.token()).unwrap();
        let published = jwks(&shop.serving).await.body;
        let claims = verified(&published, &joan, "regulars:customer");
        let now = shop.clock.now().timestamp();
        let take = async |token: String| shop.graphql(&Caller::bearer(&token), ME, json!({})).await;
        let with = |name: &str, value: Json| {
            let mut claims = claims.clone();
            claims[name] = value;
            claims
        };
        // The forger's tools work: the same token signed once more is taken.
        take(encode(&header, &claims, &ours).unwrap()).await.data();
        take(encode(&header, &with("iat", json!(now + 60)), &ours).unwrap()).await.data();
        let poor_claims = [
            ("expired", with("exp", json!(now))),
            ("issued in the future", with("iat", json!(now + 61))),
            ("of another issuer", with("iss", json!("https://evil.example"))),
            ("for staff, with a customer's key", with("aud", json!("regulars:staff"))),
            ("for nobody we know", with("aud", json!("regulars"))),
            ("of another kind", with("typ", json!("refresh"))),
            ("of another person", with("sub", verified(&published, &sam, "regulars:staff")["sub"].clone())),
            ("of another session", with("sid", json!(uuid::Uuid::from_u128(7)))),
        ];
        for (what, claims) in poor_claims {
            let answer = take(encode(&header, &claims, &ours).unwrap()).await;
            assert_eq!(answer.status, 401, "{what}");
            answer.assert_rejected();
        }
        let kid_of = |kid: Option<String>| Header { kid, ..header.clone() };
        let poor_headers = [
            ("with the key id of staff", kid_of(Some(kid(&sam)))),
            ("with an unknown key id", kid_of(Some(uuid::Uuid::from_u128(7).to_string()))),
            ("with a key id of another form", kid_of(Some("../../keys".to_owned()))),
            ("without a key id", kid_of(None)),
            ("of another type", Header { typ: Some("JWT".to_owned()), ..header.clone() }),
            ("without a type", Header { typ: None, ..header.clone() }),
            ("with what must be understood", Header { crit: Some(vec!["exp".to_owned()]), ..header.clone() }),
        ];
        for (what, header) in poor_headers {
            let answer = take(encode(&header, &claims, &ours).unwrap()).await;
            assert_eq!(answer.status, 401, "{what}");
            answer.assert_rejected();
        }
    }

    async fn a_token_of_another_algorithm_or_signature_is_not_taken(shop: &TestApp) {
        use base64::Engine;
        use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
        let joan = shop.as_customer().await;
        let published = jwks(&shop.serving).await.body;
        let claims = verified(&published, &joan, "regulars:customer");
        let header = decode_header(joan.token()).unwrap();
        let of = |alg| Header { alg, ..header.clone() };
        let key = published["keys"].as_array().unwrap().iter().find(|key| key["kid"] == kid(&joan)).unwrap();
        let public = key["x"].as_str().unwrap();
        let mut tokens = Vec::new();
        // The public key, in the forms in which people have it, as the secret of a symmetric signature.
        for secret in [BASE64.decode(public).unwrap(), public.as_bytes().to_vec(), key.to_string().into_bytes()] {
            for alg in [Algorithm::HS256, Algorithm::HS512] {
                tokens.push(encode(&of(alg), &claims, &EncodingKey::from_secret(&secret)).unwrap());
            }
        }
        let curve = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap();
        let curve = EncodingKey::from_ec_der(curve.to_pkcs8v1().unwrap().as_ref());
        tokens.push(encode(&of(Algorithm::ES256), &claims, &curve).unwrap());
        let parts: Vec<&str> = joan.token().split('.').collect();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({ "alg": alg, "typ": "at+jwt", "kid": kid(&joan) }).to_string();
            let unsigned = format!("{}.{}.", BASE64.encode(header), parts[1]);
            tokens.extend([format!("{unsigned}{}", parts[2]), unsigned]);
        }
        let mut tampered = claims.clone();
        tampered["exp"] = json!(4_000_000_000_u64);
        tokens.push(format!("{}.{}.{}", parts[0], BASE64.encode(tampered.to_string()), parts[2]));
        let other = aws_lc_rs::signature::Ed25519KeyPair::generate().unwrap();
        let other = EncodingKey::from_ed_der(other.to_pkcs8().unwrap().as_ref());
        tokens.push(encode(&header, &claims, &other).unwrap());
        for token in tokens {
            shop.graphql(&Caller::bearer(&token), ME, json!({})).await.assert_rejected();
        }
        shop.graphql(&joan, ME, json!({})).await.data();
    }
}

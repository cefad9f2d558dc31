//! The key of a customer's personal values: AES-256-GCM with a nonce of its own for each value (NIST SP 800-38D). Whoever
//! destroys the key has erased the values, and no chain of hashes breaks, since those cover the ciphertext.

use std::collections::{BTreeSet, HashMap};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use entity::customer_key::{Column, Entity, Model};
use entity::id::CustomerId;
use sea_orm::{ConnectionTrait, EntityTrait, QueryFilter, QueryOrder};
use uuid::Uuid;

use crate::auth::secret;
use crate::db::bulk::Rows;
use crate::db::dialect::is_among;
use crate::error::Fault;
use crate::tx::Tx;

/// Encrypts and decrypts what is about one customer.
pub(crate) struct Cipher(RandomizedNonceKey);

impl Cipher {
    fn of(material: &[u8]) -> Result<Self, Fault> {
        Ok(Self(RandomizedNonceKey::new(&AES_256_GCM, material)?))
    }

    /// The nonce and the sealed value; it opens only at its `place`, the id of its row.
    pub(crate) fn encrypt(&self, place: Uuid, mut value: Vec<u8>) -> Result<Vec<u8>, Fault> {
        let nonce = self.0.seal_in_place_append_tag(Aad::from(place.as_bytes()), &mut value)?;
        Ok([nonce.as_ref().as_slice(), &value].concat())
    }

    /// The value, if it was sealed with this key at this place.
    pub(crate) fn decrypt(&self, place: Uuid, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_LEN)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let mut value = sealed.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(place.as_bytes()), &mut value).ok()?;
        Some(opened.to_vec())
    }
}

/// The ciphers of those customers whose key has not been destroyed.
pub(crate) async fn find(
    db: &impl ConnectionTrait,
    customers: &BTreeSet<CustomerId>,
) -> Result<HashMap<CustomerId, Cipher>, Fault> {
    if customers.is_empty() {
        return Ok(HashMap::new());
    }
    let among = is_among(db.get_database_backend(), "customer_id", customers.iter().map(|id| id.0));
    let rows: Vec<Model> = Entity::find().filter(among).order_by_asc(Column::CustomerId).all(db).await?;
    rows.into_iter().map(|row| Ok((row.customer_id, Cipher::of(&row.material)?))).collect()
}

/// The same, after making the keys that are missing.
pub(crate) async fn find_or_make(
    tx: &Tx,
    customers: &BTreeSet<CustomerId>,
) -> Result<HashMap<CustomerId, Cipher>, Fault> {
    let found = find(tx.db(), customers).await?;
    if found.len() == customers.len() {
        return Ok(found);
    }
    let mut rows = Rows::new("customer_keys", &["customer_id", "material", "created_at"]);
    for customer in customers.iter().filter(|customer| !found.contains_key(customer)) {
        rows.push([customer.0.into(), secret::random::<32>()?.to_vec().into(), tx.now().into()]);
    }
    rows.insert_missing(tx.db()).await?;
    find(tx.db(), customers).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_opens_with_its_key_at_its_place_only() {
        let (cipher, other) = (Cipher::of(&[1; 32]).unwrap(), Cipher::of(&[2; 32]).unwrap());
        let place = Uuid::from_u128(1);
        let sealed = cipher.encrypt(place, b"anna@example.org".to_vec()).unwrap();
        assert_ne!(sealed, cipher.encrypt(place, b"anna@example.org".to_vec()).unwrap());
        assert_eq!(cipher.decrypt(place, &sealed).as_deref(), Some(b"anna@example.org".as_slice()));
        assert_eq!(cipher.decrypt(Uuid::from_u128(2), &sealed), None);
        assert_eq!(other.decrypt(place, &sealed), None);
        let mut changed = sealed.clone();
        changed[20] ^= 1;
        assert_eq!(cipher.decrypt(place, &changed), None);
        assert_eq!(cipher.decrypt(place, &sealed[..5]), None);
    }
}

//! An order, as the shop stated it.

use sea_orm::entity::prelude::*;
use serde::{Deserialize, Serialize};

use crate::Instant;
use crate::id::{CustomerId, GuestId, HoldId, OrderId};
use crate::referral::ReferralReason;
/// Where an order is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderState {
    /// Not paid yet.
    #[sea_orm(string_value = "PLACED")]
    Placed,
    /// Paid.
    #[sea_orm(string_value = "PAID")]
    Paid,
    /// On its way.
    #[sea_orm(string_value = "SHIPPED")]
    Shipped,
    /// Arrived.
    #[sea_orm(string_value = "DELIVERED")]
    Delivered,
    /// Undone before shipping.
    #[sea_orm(string_value = "CANCELLED")]
    Cancelled,
}

/// What an order was recorded in spite of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum OrderFlag {
    /// A guest ordered although the shop takes no orders of guests.
    #[sea_orm(string_value = "GUEST_NOT_ALLOWED")]
    GuestNotAllowed,
}

/// How tax is due on what points pay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, EnumIter, DeriveActiveEnum, Serialize, Deserialize)]
#[sea_orm(rs_type = "String", db_type = "Text")]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RedemptionTax {
    /// They lower the price.
    #[sea_orm(string_value = "DISCOUNT")]
    Discount,
    /// They pay like money.
    #[sea_orm(string_value = "TENDER")]
    Tender,
}

/// An order, as the shop stated it.
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "orders")]
pub struct Model {
    /// Ours.
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: OrderId,
    /// The shop's; unique.
    pub external_id: String,
    /// SHA-256 of what was stated.
    pub fingerprint: Vec<u8>,
    /// Whose; else a guest's.
    pub customer_id: Option<CustomerId>,
    /// Whose, while the address is unproven.
    pub guest_id: Option<GuestId>,
    /// As written on the order.
    pub email: Option<String>,
    /// Such as `web`.
    pub channel: String,
    /// ISO 4217.
    pub currency: String,
    /// Where it is.
    pub state: OrderState,
    /// Minor units, sum of the lines.
    pub lines_total: i64,
    /// Minor units.
    pub shipping: i64,
    /// Code.
    pub coupon: Option<String>,
    /// Points that pay part of it; unique.
    pub hold_id: Option<HoldId>,
    /// Minor units paid with points.
    pub hold_value: i64,
    /// History: triggers nothing.
    pub imported: bool,
    /// By the shop.
    pub placed_at: Instant,
    /// By the shop.
    pub paid_at: Option<Instant>,
    /// By the shop.
    pub shipped_at: Option<Instant>,
    /// By the shop.
    pub delivered_at: Option<Instant>,
    /// By the shop.
    pub cancelled_at: Option<Instant>,
    /// Here.
    pub recorded_at: Instant,
    /// Of the buyer, as written on the order.
    pub name: Option<String>,
    /// As written on the order.
    pub shipping_address: Option<Json>,
    /// As written on the order.
    pub billing_address: Option<Json>,
    /// What the registration policy did not allow.
    pub flag: Option<OrderFlag>,
    /// Until when its claim token is good; none if it has none.
    pub claim_until: Option<Instant>,
    /// When the claim token was used.
    pub claimed_at: Option<Instant>,
    /// Why its coupon, which is one of ours, could not be used.
    pub coupon_refusal: Option<String>,
    /// As the shop had it when points were set aside for the order.
    pub redemption_tax: Option<RedemptionTax>,
    /// Why the referral code on it did not count.
    pub referral_refusal: Option<ReferralReason>,
    /// A keyed hash of what the shop's payment provider calls the card that paid it.
    pub card_hash: Option<Vec<u8>>,
    /// Skus on it that its buyer could not order yet when it was placed; none if there were none.
    pub not_yet_orderable: Option<Json>,
    /// Why its place in a delivery slot, which had lapsed, could not be taken again.
    pub delivery_slot_refusal: Option<String>,
    /// What it is to be packed with, as the rules were when it was recorded; none if nothing.
    pub packing: Option<Json>,
    /// What its buyer reads, as far as the shop said.
    pub locale: Option<String>,
    /// The mailbox of `email`, by which orders of one person are found whoever placed them.
    pub email_key: Option<String>,
}

/// None is walked: rows are found through their owner by id.
#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

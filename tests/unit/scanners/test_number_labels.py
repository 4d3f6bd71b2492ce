"""Labels of numbers: orders and contracts of many languages, and telephones, which are none."""

import pytest
from nightloom.scanners.number_labels import is_labelled
from nightloom.scanners.pii import find_pii


@pytest.mark.parametrize(
    "text",
    [
        *(
            "订单编号13912345678，请尽快来电",
            "快递单号：13912345678，电话没人接",
            "ご注文番号：03-6123-4567 の件で電話しました",
        ),
        *(
            "주문번호 010-2345-6789 문의 전화 주세요",
            "номер заказа 8 912 345 67 89, позвоните",
            "договор № 89123456789, звонил",
        ),
        *("رقم الطلب ٠٥٠١٢٣٤٥٦٨ اتصل بي", "מספר הזמנה 052-345-6789, התקשרו אליי", "ऑर्डर नंबर 98234 56712 के लिए फोन"),
        *("เลขพัสดุ 0812345679 โทรไม่ติด", "παραγγελίας 6912345679, καλέστε με", "mã đơn hàng 0912345679, gọi lại"),
        *("sipariş no 05321234568, arayın", "numer zamówienia 612 345 678, dzwonić", "tilausnumero 040 1234568, soita"),
        *("ordine 347 123 4568, chiamatemi", "rendelés 0620 123 4568, hívjon", "objednávka 612 345 678, zavolejte"),
    ],
)
def test_numbers_of_orders_are_kept(text: str) -> None:
    assert find_pii(text) == []


@pytest.mark.parametrize(
    "before", ["电话号码", "手机号", "電話番号：", "휴대폰 번호 ", "puhelinnumero ", "номер телефона ", "मोबाइल नंबर "]
)
def test_telephone_is_no_other_label(before: str) -> None:
    assert not is_labelled(before)

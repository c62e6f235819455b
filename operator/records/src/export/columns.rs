//! Rows as the bytes of a Parquet file: a function of values. Columns are required, compressed with zstd, in one row group.

use parquet::{
    basic::{Compression, ZstdLevel},
    data_type::{ByteArray, ByteArrayType, FixedLenByteArray, FixedLenByteArrayType, Int32Type, Int64Type},
    errors::ParquetError,
    file::{metadata::SortingColumn, properties::WriterProperties, writer::SerializedFileWriter},
    schema::parser::parse_message_type,
};
use std::sync::Arc;

/// zstd's own default.
const LEVEL: i32 = 3;

/// The values of a column, one for each row.
pub(crate) enum Values {
    Text(Vec<String>),
    Small(Vec<i32>),
    Long(Vec<i64>),
    /// Days since 1970 (UTC).
    Date(Vec<i32>),
    /// Milliseconds since 1970 (UTC).
    Moment(Vec<i64>),
    /// Whole numbers of up to 38 digits.
    Wide(Vec<i128>),
}

impl Values {
    fn declare(&self, name: &str) -> String {
        match self {
            Self::Text(_) => format!("REQUIRED BINARY {name} (STRING);"),
            Self::Small(_) => format!("REQUIRED INT32 {name};"),
            Self::Long(_) => format!("REQUIRED INT64 {name};"),
            Self::Date(_) => format!("REQUIRED INT32 {name} (DATE);"),
            Self::Moment(_) => format!("REQUIRED INT64 {name} (TIMESTAMP(MILLIS,true));"),
            Self::Wide(_) => format!("REQUIRED FIXED_LEN_BYTE_ARRAY (16) {name} (DECIMAL(38,0));"),
        }
    }
}

pub(crate) type Column = (&'static str, Values);

/// The file. Its rows are sorted by the first `sorted` columns, as the caller has sorted them.
///
/// # Errors
/// Where columns differ in length.
pub(crate) fn file(columns: Vec<Column>, sorted: i32) -> Result<Vec<u8>, ParquetError> {
    let fields: Vec<String> = columns.iter().map(|(name, values)| values.declare(name)).collect();
    let schema = parse_message_type(&format!("message row {{ {} }}", fields.join(" ")))?;
    let order = (0..sorted)
        .map(|column_idx| SortingColumn { column_idx, descending: false, nulls_first: false })
        .collect();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(ZstdLevel::try_new(LEVEL)?))
        .set_sorting_columns(Some(order))
        // A file's name has its hash, which must not change with the library's version.
        .set_created_by("purr-records".to_owned())
        .build();
    let mut writer = SerializedFileWriter::new(Vec::new(), Arc::new(schema), Arc::new(properties))?;
    let mut rows = writer.next_row_group()?;
    for (_, values) in columns {
        let Some(mut column) = rows.next_column()? else { break };
        match values {
            Values::Text(values) => {
                let bytes: Vec<ByteArray> =
                    values.into_iter().map(|text| ByteArray::from(text.into_bytes())).collect();
                column.typed::<ByteArrayType>().write_batch(&bytes, None, None)?;
            }
            Values::Small(values) | Values::Date(values) => {
                column.typed::<Int32Type>().write_batch(&values, None, None)?;
            }
            Values::Long(values) | Values::Moment(values) => {
                column.typed::<Int64Type>().write_batch(&values, None, None)?;
            }
            Values::Wide(values) => {
                let bytes: Vec<FixedLenByteArray> =
                    values.iter().map(|value| value.to_be_bytes().to_vec().into()).collect();
                column.typed::<FixedLenByteArrayType>().write_batch(&bytes, None, None)?;
            }
        }
        column.close()?;
    }
    rows.close()?;
    writer.into_inner()
}

#[cfg(test)]
mod tests {
    use super::*;
    use parquet::{
        file::reader::{FileReader, SerializedFileReader},
        record::RowAccessor,
    };

    fn columns() -> Vec<Column> {
        vec![
            ("player", Values::Text(vec!["0xa".into(), "0xb".into()])),
            ("seat", Values::Small(vec![0, 9])),
            ("won", Values::Long(vec![-5, i64::MAX])),
            ("day", Values::Date(vec![0, 20_786])),
            ("ended_at", Values::Moment(vec![1, 1_700_000_000_000])),
            ("won_sq", Values::Wide(vec![25, i128::from(i64::MAX) * i128::from(i64::MAX)])),
        ]
    }

    #[test]
    fn a_file_reads_back_value_by_value_and_says_how_it_is_sorted() {
        let bytes = file(columns(), 2).unwrap();
        let reader = SerializedFileReader::new(bytes::Bytes::from(bytes)).unwrap();
        let group = reader.metadata().row_group(0);
        assert_eq!(group.sorting_columns().map(Vec::len), Some(2));
        assert!(matches!(group.column(0).compression(), Compression::ZSTD(_)));
        let rows: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
        assert_eq!(rows[1].get_string(0).unwrap(), "0xb");
        assert_eq!((rows[1].get_int(1).unwrap(), rows[0].get_long(2).unwrap()), (9, -5));
        assert_eq!(rows[1].to_string().matches("85070591730234615847396907784232501249").count(), 1);
    }

    #[test]
    fn the_same_rows_are_the_same_bytes() {
        assert_eq!(file(columns(), 2).unwrap(), file(columns(), 2).unwrap());
    }

    #[test]
    fn columns_of_different_lengths_are_refused() {
        let uneven = vec![("a", Values::Long(vec![1, 2])), ("b", Values::Long(vec![1]))];
        assert!(file(uneven, 1).is_err());
    }
}
